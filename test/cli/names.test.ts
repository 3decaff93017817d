// `sock resolve` and `sock services` against the system's own tools.
import assert from 'node:assert/strict';
import { requirePeer, runPeer } from '../support/peer.ts';
import { scene } from '../support/scene.ts';
import { sock } from './command.ts';

interface Resolved {
  name: string;
  family: string;
  address: string;
  canonical?: string;
}

const resolved = async (...words: string[]): Promise<Resolved[]> => {
  const { code, stdout, stderr } = await sock(['resolve', '--json', ...words]);
  assert.deepEqual([code, stderr], [0, '']);
  return JSON.parse(stdout) as Resolved[];
};

scene(
  'the addresses of localhost, as getent(1) has them',
  async () => {
    const { stdout } = await runPeer('getent', ['ahosts', 'localhost']);
    const expected = stdout.trim().split('\n');
    const streams = expected.filter((line) => line.includes('STREAM')).map((line) => line.split(/\s+/)[0]);
    const rows = await resolved('localhost');
    assert.deepEqual(
      rows.map(({ address }) => address),
      streams,
    );
    for (const { name, family, address } of rows)
      assert.deepEqual([name, family], ['localhost', address.includes(':') ? 'IPv6' : 'IPv4']);
  },
  requirePeer('getent'),
);

scene('addresses as they are written, one family, the canonical name, several names', async () => {
  assert.deepEqual(await resolved('-4', 'localhost'), [
    { name: 'localhost', family: 'IPv4', address: '127.0.0.1' },
  ]);
  const [{ canonical } = assert.fail()] = await resolved('--canonical', 'localhost');
  assert.match(canonical!, /^localhost/);
  // The name of an address.
  const back = await resolved('127.0.0.1', 'localhost', '-4');
  assert.equal(back[0]!.address, '127.0.0.1');
  assert.match(back[0]!.name, /\w/);
  assert.equal(back[1]!.name, 'localhost');
});

scene('the table, and names that are none', async () => {
  const { stdout } = await sock(['resolve', '-4', 'localhost']);
  assert.equal(stdout, 'Name       Family  Address\nlocalhost  IPv4    127.0.0.1\n');
  const { code, stdout: nothing, stderr } = await sock(['resolve', 'no.such.name.invalid']);
  assert.deepEqual([code, nothing], [1, '']);
  assert.match(stderr, /^sock: getaddrinfo EAI_\w+ no\.such\.name\.invalid: [^\n]*\n$/);
  assert.match((await sock(['resolve'])).stderr, /^sock: NAME is missing: [^\n]*\nTry: sock help resolve\n$/);
});

scene('services by name and by port', async () => {
  const json = async (what: string) => JSON.parse((await sock(['services', '--json', what])).stdout);
  for (const [name, port] of [
    ['ftp', 21],
    ['ssh', 22],
    ['telnet', 23],
    ['smtp', 25],
    ['http', 80],
    ['https', 443],
  ] as const) {
    const row = { service: name, port, protocol: 'tcp' };
    assert.deepEqual((await json(name))[0], row);
    assert.deepEqual((await json(String(port)))[0], row);
  }
  const { stdout } = await sock(['services', 'telnet']);
  assert.match(stdout, /^Service {2}Port {2}Protocol\ntelnet {5}23 {2}tcp\n/);
  const all = (await sock(['services'])).stdout.trim().split('\n');
  assert.ok(all.length > 20);
  const ports = all.slice(1).map((line) => Number(line.split(/\s+/)[1]));
  assert.deepEqual(
    ports,
    ports.toSorted((a, b) => a - b),
  );
});

scene('services that are none', async () => {
  for (const [what, code, message] of [
    ['no-such-service', 1, 'sock: no service no-such-service\n'],
    ['4', 1, 'sock: port 4 belongs to no service\n'],
    ['65536', 2, 'sock: port 65536: a port is a number from 0 to 65535\nTry: sock help services\n'],
  ] as const)
    assert.deepEqual(await sock(['services', what]), { code, signal: null, stdout: '', stderr: message });
});
