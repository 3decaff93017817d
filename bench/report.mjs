// Tables out of a results file, and the marked place in docs/benchmarks.md that holds the
// short ones. Every number in it comes from the file.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isAbsolute, median, root, score, servers, workloads } from './plan.mjs';

const page = path.join(root, 'docs', 'benchmarks.md');
const BEGIN = '<!-- table: begin (written by `npm run bench -- --report`) -->';
const END = '<!-- table: end -->';

const row = (cells) => `| ${cells.join(' | ')} |`;
const head = (cells) => [row(cells), `|${'---|'.repeat(cells.length)}`];

export function human(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  return value >= 1e4 ? `${(value / 1e3).toFixed(1)}k` : value.toFixed(0);
}

const good = (results, workload, name) =>
  (results.runs[workload]?.samples[name] ?? []).filter((x) => !x.error);
function medianOf(samples, key) {
  const values = samples.map((x) => x[key]).filter((x) => x > 0);
  return values.length ? median(values) : undefined;
}

/**
 * The number by which a server is judged on a workload: the paired ratio of the rates, of the
 * CPU time an operation where the generator is the limit, or bytes. Rounded as it is printed,
 * so that a verdict never contradicts the numbers beside it.
 */
export function figure(results, workload, name) {
  const samples = good(results, workload, name);
  if (!samples.length) return undefined;
  if (isAbsolute(workload)) return Math.round(median(samples.map((x) => score(workload, x))));
  if (name === results.base) return 1;
  const value = medianOf(samples, workloads[workload].compare === 'cpu' ? 'cpu_ratio' : 'ratio');
  return value === undefined ? undefined : Number(value.toFixed(2));
}
function shown(workload, value) {
  if (value === undefined) return '–';
  return isAbsolute(workload) ? human(value) : value.toFixed(2);
}
const better = (workload, a, b) => (isAbsolute(workload) ? a < b : a > b);
const label = (workload) =>
  `${workload} ${workloads[workload].what}${workloads[workload].compare === 'cpu' ? ' (CPU÷)' : ''}`;

const isOurs = (name) => name.startsWith('ours');
const namesIn = (results) =>
  Object.keys(servers).filter((name) => Object.values(results.runs).some((run) => run.samples[name]));
const workloadsIn = (results) => Object.keys(workloads).filter((workload) => results.runs[workload]);
const peersIn = (results) => namesIn(results).filter((name) => !isOurs(name) && !name.startsWith('c_'));

/** One row for each of our servers on each workload: measured, floor, verdict, peers, place. */
function floorTable(results) {
  const peers = peersIn(results);
  const lines = head([
    'workload',
    'server',
    'measured',
    'floor',
    'verdict',
    ...peers,
    '÷ best Node',
    'place',
  ]);
  for (const workload of workloadsIn(results)) {
    const theirs = peers.map((name) => figure(results, workload, name));
    const rivals = theirs.filter((x) => x !== undefined);
    const nodes = theirs.filter((x, i) => x !== undefined && peers[i].startsWith('node'));
    const bestNode = nodes.sort((a, b) => (better(workload, a, b) ? -1 : 1))[0];
    for (const name of namesIn(results).filter(isOurs)) {
      if (!results.runs[workload].samples[name]) continue;
      const mine = figure(results, workload, name);
      const floor = workloads[workload].floors?.[name];
      let verdict = '';
      if (mine === undefined) verdict = '**failed**';
      else if (floor !== undefined) verdict = better(workload, floor, mine) ? '**below**' : 'ok';
      const toNode = mine !== undefined && bestNode ? (mine / bestNode).toFixed(2) : '–';
      const place = mine === undefined ? '–' : 1 + rivals.filter((x) => better(workload, x, mine)).length;
      const bound =
        floor === undefined ? '–' : `${isAbsolute(workload) ? '≤' : '≥'} ${shown(workload, floor)}`;
      const cells = [label(workload), name, shown(workload, mine), bound, verdict];
      lines.push(
        row([...cells, ...theirs.map((x) => shown(workload, x)), toNode, `${place} of ${rivals.length + 1}`]),
      );
    }
  }
  return lines.join('\n');
}

/** Columns of a workload's own table: title, and a cell out of one server's good samples. */
const columns = (workload, base) => {
  const values = (ran) => ran.map((x) => score(workload, x));
  const middle = (digits, of) => (ran) => median(ran.map(of)).toFixed(digits);
  const ratio = (key) => (ran, name) =>
    name === base.name ? '1.00' : (medianOf(ran, key)?.toFixed(2) ?? '');
  const latency = (of) => (ran) => (ran.some(of) ? middle(1, of)(ran) : '');
  const bestToBest = (ran) =>
    base.values.length ? (Math.max(...values(ran)) / Math.max(...base.values)).toFixed(2) : '';
  const spread = (ran) => {
    const all = values(ran);
    return `${Math.round(((Math.max(...all) - Math.min(...all)) / (median(all) || 1)) * 100)} %`;
  };
  return [
    [workloads[workload].unit, (ran) => human(median(values(ran)))],
    [`÷ ${base.name}`, ratio('ratio')],
    ['CPU÷', ratio('cpu_ratio')],
    ['best÷best', isAbsolute(workload) ? () => '' : bestToBest],
    ['p50 µs', latency((x) => x.p50_us)],
    ['p99 µs', latency((x) => x.p99_us)],
    ['server CPU', middle(2, (x) => x.srv_cpu)],
    ['CPU µs/op', middle(2, (x) => x.cpu_us_op)],
    ['generator CPU', middle(2, (x) => x.gen_cpu)],
    ['others', middle(2, (x) => x.other_cpu + x.steal)],
    ['spread', spread],
  ];
};

/** All numbers of one workload. */
export function workloadTable(results, workload) {
  const { measured, rounds, secs, samples } = results.runs[workload];
  const base = {
    name: results.base,
    values: good(results, workload, results.base).map((x) => score(workload, x)),
  };
  const cells = columns(workload, base);
  const lines = [
    `### ${workload}: ${workloads[workload].what}`,
    '',
    `${measured.slice(0, 16).replace('T', ' ')} UTC, ${rounds} × ${secs} s`,
    '',
    ...head(['server', ...cells.map(([title]) => title), 'runs']),
  ];
  for (const name of namesIn(results).filter((n) => samples[n])) {
    const ran = good(results, workload, name);
    const count = `${ran.length} of ${samples[name].length}`;
    const why = samples[name]
      .find((x) => x.error)
      ?.error.replace(/[|\s]+/g, ' ')
      .slice(0, 100);
    const numbers = ran.length
      ? cells.map(([, cell]) => cell(ran, name))
      : [`failed: ${why}`, ...cells.slice(1).fill('')];
    lines.push(row([name, ...numbers, count]));
  }
  return lines.join('\n');
}

function provenance(results) {
  const { cpu, cpus, memory, kernel, system, compiler } = results.machine;
  const days = [...new Set(Object.values(results.runs).map((run) => run.measured.slice(0, 10)))]
    .sort()
    .join(', ');
  const lines = [
    `Measured ${days} on ${cpus} × ${cpu}, ${memory}, ${kernel}, ${system}; C by ${compiler}.`,
    '',
  ];
  lines.push(...head(['server', 'what it is', 'version']));
  for (const name of namesIn(results))
    lines.push(row([name, servers[name].what, results.versions[name] ?? '']));
  return lines.join('\n');
}

/** The short form: ours against floors and peers. */
export const summary = (results) => `${floorTable(results)}\n\n${provenance(results)}`;
/** The long form: the summary, and a table a workload. */
export const details = (results) =>
  [summary(results), ...workloadsIn(results).map((workload) => workloadTable(results, workload))].join(
    '\n\n',
  );

export function writeDetails(file, results) {
  writeFileSync(file.replace(/\.json$/, '.md'), `# Benchmark results\n\n${details(results)}\n`);
}
/** Puts the summary between the marks of docs/benchmarks.md, which links to its source. */
export function writePage(results, source) {
  const folder = path.join(root, 'bench', 'results');
  if (path.dirname(source) !== folder)
    throw new Error(`${source} is not in bench/results: a try is not for the page`);
  const text = existsSync(page) ? readFileSync(page, 'utf8') : '';
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) throw new Error(`docs/benchmarks.md lacks the marks ${BEGIN} and ${END}`);
  const link = `[${path.basename(source)}](../bench/results/${path.basename(source)})`;
  const body = `${summary(results)}\n\nAll numbers: ${link} and the tables beside it.`;
  writeFileSync(page, `${text.slice(0, from)}${BEGIN}\n\n${body}\n\n${text.slice(to)}`);
}
