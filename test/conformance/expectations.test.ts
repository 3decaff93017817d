// The judge of the conformance runs: it lets nothing pass that expectations.json does not name, and
// nothing stay in there that is not so.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { differences, type Expectation, type Outcome, type Report } from './expectations.ts';

function report(outcomes: Record<string, [Outcome, last?: string]>, more: Partial<Report> = {}): Report {
  const tests = Object.fromEntries(
    Object.entries(outcomes).map(([name, [outcome, last = '']]) => [
      `test_socket.${name}`,
      { outcome, last },
    ]),
  );
  return { flavour: 'async', kernel: { AF_CAN: false }, modules: { test_socket: { tests } }, ...more };
}

const design: Expectation = {
  outcome: 'failed',
  tests: ['test_socket.Mode.*'],
  says: 'AssertionError',
  because: 'by design',
};
const kernel: Expectation = {
  outcome: 'skipped',
  says: 'CAN required',
  needs: 'AF_CAN',
  because: 'the kernel has none',
};

test('a run that is as expected has no differences', () => {
  const run = report({
    'A.a': ['passed'],
    'Mode.a': ['failed', 'AssertionError: 1'],
    'Can.a': ['skipped', 'CAN required here'],
  });
  assert.deepEqual(differences(run, [design, kernel]), []);
});

const wrong: [name: string, Report, expectations: Expectation[], problem: RegExp][] = [
  ['a failure that nobody expects', report({ 'A.a': ['failed', 'boom'] }), [], /A\.a failed: boom/],
  ['a skip that nobody expects', report({ 'A.a': ['skipped', 'why'] }), [], /A\.a was skipped: why/],
  [
    'a pass that nobody expects',
    report({ 'Mode.a': ['passed'] }),
    [design],
    /Mode\.a passes, but is expected/,
  ],
  [
    'a pass beside an expected failure under one pattern',
    report({ 'Mode.a': ['failed', 'AssertionError'], 'Mode.b': ['passed'] }),
    [design],
    /Mode\.b passes, but is expected/,
  ],
  [
    'a failure for another reason',
    report({ 'Mode.a': ['failed', 'OSError'] }),
    [design],
    /Mode\.a failed: OSError/,
  ],
  [
    'a failure in place of a skip',
    report({ 'Can.a': ['failed', 'CAN required'] }),
    [kernel],
    /Can\.a failed/,
  ],
  [
    'a skip of what the kernel has',
    report({ 'Can.a': ['skipped', 'CAN required'] }, { kernel: { AF_CAN: true } }),
    [kernel],
    /Can\.a was skipped/,
  ],
  ['a row without a test', report({ 'A.a': ['passed'] }), [design], /there is no such test/],
  [
    'a row that excuses nothing',
    report({ 'A.a': ['passed'] }),
    [kernel],
    /excuses nothing with "CAN required"/,
  ],
  [
    'a row of the other flavour',
    report({ 'Mode.a': ['failed', 'AssertionError'] }),
    [{ ...design, flavour: 'sync' }],
    /Mode\.a failed/,
  ],
  [
    'a constant that is missing',
    report({}, { constants: { equal: 0, missing: ['AF_X'], different: {} } }),
    [],
    /AF_X is missing/,
  ],
  [
    'a constant that differs',
    report({}, { constants: { equal: 0, missing: [], different: { AF_X: [1, 2] } } }),
    [],
    /AF_X differs: \[1,2\]/,
  ],
];

for (const [name, run, expectations, problem] of wrong) {
  test(name, () => {
    const problems = differences(run, expectations);
    assert.ok(
      problems.some((line) => problem.test(line)),
      `${problem} in ${JSON.stringify(problems)}`,
    );
  });
}

test('every row of expectations.json says what it means and why', () => {
  const rows = JSON.parse(
    readFileSync(new URL('expectations.json', import.meta.url), 'utf8'),
  ) as Expectation[];
  for (const row of rows) {
    assert.ok(row.because.length > 5, JSON.stringify(row));
    assert.ok(row.tests !== undefined || row.says !== undefined, JSON.stringify(row));
    // What is excused wherever it turns up is the kernel's affair only.
    if (row.tests === undefined) assert.equal(row.outcome === 'skipped' && typeof row.needs, 'string');
    if (row.outcome === 'failed') assert.ok(row.says, `${row.tests}: it may not fail for any reason`);
  }
});
