// `sock ping` in networks of its own, where the kernel lets it use either kind of socket.
import assert from 'node:assert/strict';
import { noOwnNetwork, ownNetwork } from '../support/node.ts';
import { Peer, type PeerResult } from '../support/peer.ts';
import { scene } from '../support/scene.ts';
import { sock, sockFile } from './command.ts';

const skip = noOwnNetwork();

/** Runs `sock ping` in a network of its own. */
async function ping(
  setup: string,
  words: readonly string[],
  { interrupt = false } = {},
): Promise<PeerResult> {
  const [program, ...args] = [...ownNetwork(setup), process.execPath, sockFile, 'ping', ...words];
  const { NODE_OPTIONS, NODE_TEST_CONTEXT, ...env } = process.env;
  const peer = new Peer(program!, args, { input: '', env });
  try {
    if (interrupt) {
      await peer.line(/icmp_seq=2 /, { seconds: 20 });
      peer.child.kill('SIGINT');
    }
    return await peer.exit(20);
  } finally {
    await peer.stop('SIGKILL');
  }
}

const granted = 'echo 0 0 > /proc/sys/net/ipv4/ping_group_range';
// A new network grants it to nobody.
const refused = 'true';

for (const [how, setup] of [
  ['unprivileged', granted],
  ['by a raw socket', refused],
] as const) {
  for (const [host, head] of [
    ['127.0.0.1', /^PING 127\.0\.0\.1 \(127\.0\.0\.1\) 56\(84\) bytes of data\.$/],
    ['::1', /^PING ::1 \(::1\) 56 data bytes$/],
  ] as const) {
    scene(
      `three pings to ${host}, ${how}`,
      async () => {
        const { code, stdout, stderr } = await ping(setup, ['-c', '3', '-i', '0.05', host]);
        assert.deepEqual([code, stderr], [0, '']);
        const lines = stdout.split('\n');
        assert.match(lines[0]!, head);
        for (const seq of [1, 2, 3]) {
          const [, from, time] =
            /^64 bytes from (\S+): icmp_seq=\d ttl=64 time=([\d.]+) ms$/.exec(lines[seq]!) ??
            assert.fail(lines[seq]);
          assert.equal(from, host);
          assert.ok(Number(time) < 5000);
        }
        assert.equal(lines[4], '');
        assert.equal(lines[5], `--- ${host} ping statistics ---`);
        assert.match(lines[6]!, /^3 packets transmitted, 3 received, 0% packet loss, time \d+ms$/);
        const [, ...times] = /^rtt min\/avg\/max\/mdev = ([\d.]+)\/([\d.]+)\/([\d.]+)\/[\d.]+ ms$/.exec(
          lines[7]!,
        )!;
        const [min, avg, max] = times.map(Number);
        assert.ok(min! <= avg! && avg! <= max!);
      },
      { skip },
    );
  }
}

scene(
  'nobody answers: after the time, status 1',
  async () => {
    const silent = 'echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all';
    const { code, stdout } = await ping(`${granted}; ${silent}`, [
      '-c',
      '2',
      '-i',
      '0.05',
      '-W',
      '0.2',
      '127.0.0.1',
    ]);
    assert.equal(code, 1);
    assert.match(stdout, /^2 packets transmitted, 0 received, 100% packet loss, time \d+ms$/m);
    assert.doesNotMatch(stdout, /rtt/);
  },
  { skip },
);

// A router that is a machine of this network's own kernel: the far end of a tunnel is another network.
const routed = `
  ip link add near type veth peer name far
  ip address add 192.0.2.1/24 dev near; ip link set near up
  unshare --net sleep 20 </dev/null >/dev/null 2>&1 & other=$!
  while [ "$(readlink /proc/$other/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
  ip link set far netns $other
  nsenter --net=/proc/$other/ns/net sh -c 'ip link set lo up; ip address add 192.0.2.2/24 dev far; ip link set far up;
    echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/icmp_ratelimit;
    ip route add unreachable 198.51.100.0/24'
  ip route add default via 192.0.2.2
`;

for (const [how, setup] of [
  ['unprivileged', granted],
  ['by a raw socket', refused],
] as const) {
  scene(
    `what a router says of it, ${how}`,
    async () => {
      const { code, stdout } = await ping(`${setup}; ${routed}`, ['-c', '1', '-W', '5', '198.51.100.7']);
      assert.match(stdout, /^From 192\.0\.2\.2 icmp_seq=1 Destination Host Unreachable$/m);
      assert.match(stdout, /^1 packets transmitted, 0 received, \+1 errors, 100% packet loss, time /m);
      assert.equal(code, 1);
      const far = await ping(`${setup}; ${routed}`, ['-c', '1', '-t', '1', '-W', '5', '203.0.113.9']);
      // It has no way there, or the one router too many: either is its answer.
      assert.match(
        far.stdout,
        /^From 192\.0\.2\.2 icmp_seq=1 (?:Time to live exceeded|Destination Net Unreachable)$/m,
      );
    },
    { skip, seconds: 60 },
  );
}

scene(
  'Ctrl-C ends it with the statistics',
  async () => {
    const { code, stdout } = await ping(granted, ['-i', '0.05', '127.0.0.1'], { interrupt: true });
    assert.equal(code, 0);
    assert.match(stdout, /\n--- 127\.0\.0\.1 ping statistics ---\n\d+ packets transmitted, \d+ received, /);
  },
  { skip },
);

scene(
  'sizes, quiet, JSON',
  async () => {
    const large = await ping(granted, ['-c', '1', '-s', '8k', '127.0.0.1']);
    assert.match(
      large.stdout,
      /^PING 127\.0\.0\.1 \(127\.0\.0\.1\) 8192\(8220\) bytes of data\.\n8200 bytes from /,
    );
    assert.match((await ping(granted, ['-c', '1', '-s', '0', '::1'])).stdout, /^8 bytes from ::1: /m);
    assert.doesNotMatch((await ping(granted, ['-q', '-c', '1', '::1'])).stdout, /icmp_seq/);
    const { stdout } = await ping(granted, ['--json', '-c', '2', '-i', '0.01', '127.0.0.1']);
    const told = JSON.parse(stdout);
    assert.deepEqual([told.host, told.sent, told.received, told.errors], ['127.0.0.1', 2, 2, 0]);
    assert.deepEqual(
      told.replies.map(({ seq, from, bytes, ttl }: Record<string, unknown>) => [seq, from, bytes, ttl]),
      [
        [1, '127.0.0.1', 64, 64],
        [2, '127.0.0.1', 64, 64],
      ],
    );
    assert.ok(told.times.min > 0 && told.times.min < 5);
  },
  { skip, seconds: 60 },
);

scene('what makes no sense, and names that are none', async () => {
  for (const [words, code, message] of [
    [['-c', '0', '::1'], 2, /^sock: --count 0: expected at least 1\n/],
    [['-s', '1M', '::1'], 2, /^sock: --size 1048576: a packet has at most 65507 bytes of data\n/],
    [['-i', '0', '::1'], 2, /^sock: --interval 0: expected at least 0\.002 s\n/],
    [['-t', '256', '::1'], 2, /^sock: --ttl 256: expected 1 to 255\n/],
    [['-c', 'x', '::1'], 2, /^sock: --count x: expected a whole number\n/],
    [[], 2, /^sock: HOST is missing/],
    [['no.such.name.invalid'], 1, /^sock: getaddrinfo EAI_\w+ no\.such\.name\.invalid: [^\n]*\n$/],
    [['-6', '127.0.0.1'], 1, /^sock: getaddrinfo EAI_\w+ 127\.0\.0\.1: [^\n]*\n$/],
  ] as const) {
    const result = await sock(['ping', ...words]);
    assert.deepEqual([result.code, result.stdout], [code, ''], words.join(' '));
    assert.match(result.stderr, message);
  }
});
