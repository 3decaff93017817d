// A network of its own in which a name server knows some names: for what look-ups give, and for
// what happens while they wait.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { ownNetwork, runNode } from './node.ts';
import { type Ending, tempdir } from './tempdir.ts';

const table = {
  'one.example': { A: ['192.0.2.1'] },
  'many.example': { A: ['192.0.2.3', '192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8::2', '2001:db8::1'] },
  'six.example': { AAAA: ['2001:db8::6'] },
  'www.example': { CNAME: 'real.example' },
  'real.example': { A: ['192.0.2.9'], AAAA: ['2001:db8::9'] },
  'twice.example': { A: ['192.0.2.5', '192.0.2.5'] },
  'empty.example': {},
  '9.2.0.192.in-addr.arpa': { PTR: 'real.example' },
  [`6${'.0'.repeat(23)}.8.b.d.0.1.0.0.2.ip6.arpa`]: { PTR: 'six.example' },
};

/** What starts the name server: silent on `*.silent` and on the addresses 198.51.100.*. */
const serve = `
  import { startNameserver } from './test/support/nameserver.ts';
  await startNameserver(${JSON.stringify(table)}, (name) => name.endsWith('.silent') || name.endsWith('.100.51.198.in-addr.arpa'));
`;

// It ends with the process that it serves.
const apart = `
  import { spawn } from 'node:child_process';
  import { once } from 'node:events';
  const nameserver = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', ${JSON.stringify(
    `${serve}; process.stdin.resume(); console.log('ready');`,
  )}], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(nameserver.stdout, 'data');
  for (const each of [nameserver, nameserver.stdin, nameserver.stdout]) each.unref();
`;

/**
 * Runs a module in a network with a name server; what it printed as JSON. `net` is the library,
 * `now()` the time in seconds. `blocks`: the module will block its thread, and the name server is
 * in another process.
 */
export async function runWithNames<T = unknown>(
  t: Ending,
  script: string,
  { blocks = false }: { blocks?: boolean } = {},
): Promise<T> {
  const folder = tempdir(t);
  const files = {
    // Two tries of three seconds: what a look-up takes that nobody answers.
    'resolv.conf': 'nameserver 127.0.0.1\noptions timeout:3 attempts:2\n',
    'nsswitch.conf': 'hosts: files dns\nservices: files\nprotocols: files\n',
    hosts: [
      '127.0.0.1 localhost',
      '192.0.2.77 files.example alias.example short',
      '192.0.2.78 xn--bcher-kva.example',
      '2001:db8::77 files.example',
      '',
    ].join('\n'),
  };
  const setup = Object.entries(files).map(([name, content]) => {
    writeFileSync(path.join(folder, name), content);
    return `mount --bind ${path.join(folder, name)} /etc/${name}`;
  });
  const prelude = `
    import * as net from 'berkeley-sockets';
    ${blocks ? apart : serve}
    const now = () => performance.now() / 1000;
  `;
  const { stdout } = await runNode(prelude + script, {
    flags: ['--import=tsx'],
    wrap: ownNetwork(setup.join('\n')),
    seconds: 60,
  });
  return JSON.parse(stdout) as T;
}
