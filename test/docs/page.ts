// The Markdown pages as a reader sees them: code blocks, words in code, sections, headings.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

const markdown = (folder: string): string[] =>
  readdirSync(path.join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join(folder, name));

/** Every page of the repository. */
export const pages: readonly string[] = ['.', 'docs', 'examples', 'bench'].flatMap(markdown);

export const read = (page: string): string => readFileSync(path.join(root, page), 'utf8');

export interface Block {
  readonly page: string;
  readonly line: number;
  /** What stands behind the opening fence: `ts`, or nothing. */
  readonly language: string;
  readonly text: string;
}

const fenced = /^```(.*)\n([\s\S]*?)^```$/gm;

export function blocksOf(page: string): Block[] {
  const text = read(page);
  return [...text.matchAll(fenced)].map((match) => ({
    page,
    line: text.slice(0, match.index).split('\n').length,
    language: match[1]!.trim(),
    text: match[2]!,
  }));
}

/** A page without its code blocks. */
export const proseOf = (page: string): string => read(page).replace(fenced, '');

/** The part of a page under a heading, to the next one of its level or above. */
export function sectionOf(page: string, heading: string): string {
  const level = /^#+/.exec(heading)![0].length;
  const [, ...rest] = proseOf(page).split(`\n${heading}\n`);
  if (rest.length !== 1) throw new Error(`${page} has ${rest.length} headings "${heading}"`);
  return rest[0]!.split(new RegExp(`^#{1,${level}} `, 'm'))[0]!;
}

/** What is set as code within text. */
export const codeIn = (text: string): string[] => [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!);

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(page: string): string[] {
  const seen = new Map<string, number>();
  return [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, title]) => {
    const anchor = title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}
