// A test of somebody else's client over our sockets, which is a row of docs/interop.md: the page is
// written from what a run has shown (scripts/interop.mjs).
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Scene, scene } from '../support/scene.ts';
import { tempdir } from '../support/tempdir.ts';

export interface Row {
  /** The npm package, or `node:…`. */
  client: string;
  /** How it is given our sockets. */
  hook: string;
  /** What was done, in a few words. */
  exercised: string;
}

/** The version of an installed package; of Node for its own modules. */
function versionOf(client: string): string {
  if (client.startsWith('node:') || client === 'fetch') return process.version.slice(1);
  const manifest = new URL(`../../node_modules/${client}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}

/** A scene of one row. What the body gives is the server, with its version. */
export function client(
  row: Row,
  body: (stage: Scene) => Promise<string>,
  { seconds = 30, skip = false }: { seconds?: number; skip?: string | false | undefined } = {},
): void {
  scene(
    `${row.client} (${row.hook}): ${row.exercised}`,
    async (stage) => {
      const server = await body(stage);
      const record = process.env.INTEROP_RECORD;
      if (record !== undefined)
        appendFileSync(record, `${JSON.stringify({ ...row, version: versionOf(row.client), server })}\n`);
    },
    { seconds, skip },
  );
}

/** A key and its self-signed certificate for `localhost`, as files and as text. */
export function certificate(stage: Scene): { key: string; cert: string; keyFile: string; certFile: string } {
  const folder = tempdir(stage);
  const keyFile = path.join(folder, 'key.pem');
  const certFile = path.join(folder, 'cert.pem');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...made, ...subject, '-keyout', keyFile, '-out', certFile], {
    stdio: 'ignore',
  });
  return { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8'), keyFile, certFile };
}
