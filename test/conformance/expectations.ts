// Holds a run of CPython's tests against expectations.json: which tests may fail or be skipped, and
// why. It excuses nothing else, and nothing that is not so any more: the list can only shrink.
// Knows nothing of how the tests were run.

export type Outcome = 'passed' | 'failed' | 'skipped' | 'left out';

/** One row of expectations.json: every test that it means has this outcome. */
export interface Expectation {
  /** `left out`: run.py does not even start it. */
  outcome: Exclude<Outcome, 'passed'>;
  /** Names of tests, `*` for anything; without them the row means whatever says `says`. */
  tests?: string[];
  /** What the last line of the failure, or the reason for the skip, contains. */
  says?: string;
  /** A name of cpython.py's KERNEL: where the kernel has it, the row counts for nothing. */
  needs?: string;
  /** Only in this flavour. */
  flavour?: string;
  because: string;
}

/** What run.py --report writes, as far as it is judged. */
export interface Report {
  flavour: string;
  kernel: Record<string, boolean>;
  constants?: { equal: number; missing: string[]; different: Record<string, unknown> };
  modules: Record<string, { tests: Record<string, { outcome: Outcome; last: string }> }>;
}

const glob = (pattern: string): RegExp =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`);

/** Every way in which the run differs from what was expected, a line each. */
export function differences(report: Report, expectations: readonly Expectation[]): string[] {
  const problems: string[] = [];
  const tests = Object.values(report.modules).flatMap((module) => Object.entries(module.tests));
  const rows = expectations
    .filter(
      ({ needs, flavour }) =>
        !(needs && report.kernel[needs]) && (flavour ?? report.flavour) === report.flavour,
    )
    .map((row) => ({ ...row, globs: row.tests?.map(glob), met: false }));

  for (const [name, { outcome, last }] of tests) {
    let excused = outcome === 'passed';
    for (const row of rows) {
      if (row.globs && !row.globs.some((each) => each.test(name))) continue;
      const fits = row.outcome === outcome && last.includes(row.says ?? '');
      if (fits) row.met = excused = true;
      else if (row.globs && outcome === 'passed')
        problems.push(
          `${name} passes, but is expected to be ${row.outcome}: take it out of expectations.json`,
        );
    }
    if (!excused) problems.push(`${name} ${outcome === 'failed' ? 'failed' : `was ${outcome}`}: ${last}`);
  }

  for (const row of rows) {
    const stale = row.globs?.filter((each) => !tests.some(([name]) => each.test(name))) ?? [];
    for (const each of stale) problems.push(`expectations.json names ${each.source}: there is no such test`);
    if (!row.met && stale.length === 0)
      problems.push(`expectations.json excuses nothing with "${row.says ?? row.because}": take the row out`);
  }

  const { missing = [], different = {} } = report.constants ?? {};
  for (const name of missing) problems.push(`the constant ${name} is missing`);
  for (const [name, values] of Object.entries(different))
    problems.push(`the constant ${name} differs: ${JSON.stringify(values)} (CPython's, ours)`);
  return problems;
}
