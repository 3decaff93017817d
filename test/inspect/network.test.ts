// interfaces() and routes() against ip(8), in a network with one of each kind.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { AF_INET, AF_INET6 } from 'berkeley-sockets';
import { interfaces, type NetworkInterface, type Route, routes } from 'berkeley-sockets/inspect';
import { inOwnNetwork } from '../support/network.ts';
import { requirePeer, runPeer } from '../support/peer.ts';
import { scene } from '../support/scene.ts';

const skip = requirePeer('ip').skip ?? false;

/** What `ip -j` tells. */
async function ip<T>(...args: string[]): Promise<T[]> {
  const { stdout } = await runPeer('ip', ['-j', '-d', '-s', ...args]);
  return JSON.parse(stdout || '[]');
}

/** Commands of ip(8), one after the other. */
async function setUp(...commands: string[]): Promise<void> {
  for (const command of commands) await runPeer('ip', command.split(' '));
}

interface IpAddress {
  family: string;
  local: string;
  address?: string;
  prefixlen: number;
  broadcast?: string;
  label?: string;
  scope: string;
  valid_life_time: number;
  preferred_life_time: number;
}

interface IpCounters {
  bytes: number;
  packets: number;
  errors: number;
  dropped: number;
}

interface IpLink {
  ifindex: number;
  ifname: string;
  flags: string[];
  mtu: number;
  operstate: string;
  txqlen?: number;
  address: string;
  broadcast: string;
  link?: string;
  link_index?: number;
  link_netnsid?: number;
  master?: string;
  linkinfo?: { info_kind?: string };
  addr_info: IpAddress[];
  stats64: { rx: IpCounters; tx: IpCounters };
}

const FOREVER = 0xffffffff;
const seconds = (n: number) => (n === FOREVER ? Number.POSITIVE_INFINITY : n);

// A lifetime may pass a second between the two questions.
const rounded = (n: number) => (n === Number.POSITIVE_INFINITY ? n : Math.round(n / 60));

/** An interface as `ip` tells of it, and as we do. */
function ofIp(link: IpLink, all: readonly IpLink[]) {
  const indexOf = (name: string | undefined) => all.find(({ ifname }) => ifname === name)?.ifindex ?? null;
  const { rx, tx } = link.stats64;
  return {
    index: link.ifindex,
    name: link.ifname,
    flags: link.flags.filter((flag) => !['NO-CARRIER', 'M-DOWN'].includes(flag)).sort(),
    state: link.operstate,
    mtu: link.mtu,
    queueLength: link.txqlen ?? null,
    address: link.address,
    broadcast: link.broadcast,
    kind: link.linkinfo?.info_kind ?? null,
    parent: link.link_netnsid === undefined ? (link.link_index ?? indexOf(link.link)) : null,
    master: indexOf(link.master),
    addresses: link.addr_info.map((each) => [
      each.family === 'inet' ? AF_INET : AF_INET6,
      each.local,
      each.prefixlen,
      each.address ?? null,
      each.broadcast ?? null,
      each.label ?? null,
      each.scope,
      rounded(seconds(each.preferred_life_time)),
      rounded(seconds(each.valid_life_time)),
    ]),
    counters: [rx, tx].map(({ errors, dropped }) => [errors, dropped]),
  };
}

function ofOurs(each: NetworkInterface) {
  const { addresses, statistics, flags, type: _, ...same } = each;
  const s = statistics!;
  return {
    ...same,
    // `ip` says the first of these in another way.
    flags: flags.filter((flag) => flag !== 'RUNNING').sort(),
    addresses: addresses.map((one) => [
      one.family,
      one.address,
      one.prefixLength,
      one.peer,
      one.broadcast,
      one.label,
      one.scope,
      rounded(one.preferred),
      rounded(one.valid),
    ]),
    counters: [
      [s.rxErrors, s.rxDropped],
      [s.txErrors, s.txDropped],
    ],
  };
}

interface IpHop {
  gateway?: string;
  via?: { host: string };
  dev: string;
  weight: number;
  flags: string[];
}

interface IpRoute {
  type: string;
  dst: string;
  gateway?: string;
  via?: { host: string };
  dev?: string;
  protocol?: string;
  scope?: string;
  prefsrc?: string;
  metric?: number;
  metrics?: { mtu?: number }[];
  flags: string[];
  nexthops?: IpHop[];
}

const upper = (flags: readonly string[]) => flags.map((flag) => flag.toUpperCase());

function routeOfIp(route: IpRoute, family: number) {
  const bits = family === AF_INET ? 32 : 128;
  const [destination, prefix] =
    route.dst === 'default' ? [family === AF_INET ? '0.0.0.0' : '::', '0'] : route.dst.split('/');
  return {
    family,
    destination,
    prefixLength: prefix === undefined ? bits : Number(prefix),
    gateway: route.gateway ?? route.via?.host ?? null,
    interface: route.dev ?? null,
    source: route.prefsrc ?? null,
    metric: route.metric ?? 0,
    mtu: route.metrics?.[0]?.mtu ?? null,
    type: route.type,
    scope: route.scope,
    protocol: route.protocol,
    flags: upper(route.flags),
    nextHops: (route.nexthops ?? []).map((hop) => ({
      gateway: hop.gateway ?? hop.via?.host ?? null,
      interface: hop.dev,
      weight: hop.weight,
      flags: upper(hop.flags),
    })),
  };
}

function routeOfOurs({ index: _, table: __, ...route }: Route) {
  return { ...route, nextHops: route.nextHops.map(({ index: ___, ...hop }) => hop) };
}

inOwnNetwork(import.meta.url, () => {
  scene(
    'interfaces of every kind, with their addresses',
    async (s) => {
      await setUp(
        'link add bridge0 type bridge',
        'link add d0 type veth peer name d1',
        'link set d0 master bridge0 mtu 1300 txqueuelen 77',
        'link set bridge0 up',
        'link set d0 up',
        'link set d1 up',
        'link add tun9 type veth peer name tun10',
        'addr add 10.9.0.1 peer 10.9.0.2/32 dev tun9',
        'addr add 192.0.2.9/25 brd 192.0.2.127 dev bridge0 label bridge0:one scope link valid_lft 3600 preferred_lft 1800',
        'addr add 2001:db8::9/48 dev bridge0 nodad valid_lft 7200 preferred_lft 3600',
      );
      s.after(() => setUp('link del bridge0', 'link del d0', 'link del tun9'));
      const links = await ip<IpLink>('addr');
      const ours = await interfaces();
      assert.deepEqual(
        ours.map(ofOurs),
        links.map((link) => ofIp(link, links)),
      );
      const bridge = ours.find(({ name }) => name === 'bridge0')!;
      assert.equal(ours.find(({ name }) => name === 'd0')!.master, bridge.index);
      assert.ok(bridge.addresses.some(({ label }) => label === 'bridge0:one'));
      const six = bridge.addresses.find(({ address }) => address === '2001:db8::9')!;
      assert.ok(six.flags.includes('NODAD'));
      assert.ok(!six.flags.includes('PERMANENT'));
      const lo = ours.find(({ name }) => name === 'lo')!;
      assert.equal(lo.type, Number(readFileSync('/sys/class/net/lo/type', 'utf8')));
      await assert.rejects(interfaces({ source: 'elsewhere' as never }), TypeError);
    },
    { skip },
  );

  scene(
    'counters count',
    async () => {
      const of = async (source: 'netlink' | 'proc') =>
        (await interfaces({ source })).find(({ name }) => name === 'v0')!.statistics!;
      const before = await of('netlink');
      await runPeer('python3', [
        '-c',
        'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b"x" * 1000, ("10.7.0.2", 9))',
      ]);
      const after = await of('netlink');
      assert.ok(after.txBytes >= before.txBytes + 1000, `${before.txBytes} ${after.txBytes}`);
      assert.ok(after.txPackets > before.txPackets);
      assert.ok((await of('proc')).txBytes >= after.txBytes);
    },
    { skip: skip || (requirePeer('python3').skip ?? false) },
  );

  scene(
    'routes of every kind',
    async (s) => {
      await setUp(
        'route add default via 10.7.0.2 metric 5',
        'route add 198.51.100.0/24 via 10.7.0.3 src 10.7.0.1 proto static mtu 1200',
        'route add 203.0.113.0/24 nexthop via 10.7.0.2 weight 3 nexthop via 10.8.0.2 weight 1',
        'route add blackhole 100.64.0.0/10',
        'route add unreachable 100.128.0.0/10',
        'route add 10.77.0.0/16 via inet6 fd07::2 dev v0',
        'route add 10.99.0.0/16 via 10.250.0.1 dev v0 onlink',
        'route add 172.20.0.0/16 via 10.7.0.2 table 777',
        '-6 route add default via fd07::2 metric 9',
        '-6 route add 2001:db8:7::/48 nexthop via fd07::2 nexthop via fd08::2 weight 2',
        '-6 route add unreachable 2001:db8:8::/48',
      );
      s.after(() =>
        setUp(
          'route flush proto boot',
          'route flush proto static',
          'route flush table 777',
          '-6 route flush proto boot',
        ),
      );
      for (const [family, option] of [
        [AF_INET, '-4'],
        [AF_INET6, '-6'],
      ] as const) {
        const theirs = (await ip<IpRoute>(option, 'route')).map((route) => routeOfIp(route, family));
        const ours = await routes({ family });
        const text = (list: readonly object[]) =>
          list.map((each) => JSON.stringify(each, Object.keys(each).sort())).sort();
        const nested = (list: readonly { nextHops: readonly object[] }[]) =>
          list.flatMap(({ nextHops }) => text(nextHops)).sort();
        // `ip` names the scope of none of AF_INET6.
        const comparable = theirs.map((each) => ({ ...each, scope: each.scope ?? 'global' }));
        assert.deepEqual(text(ours.map(routeOfOurs)), text(comparable));
        assert.deepEqual(nested(ours.map(routeOfOurs)), nested(comparable));
        assert.ok(ours.some(({ nextHops }) => nextHops.length === 2));
        assert.ok(ours.every(({ table }) => table === 254));
      }
      const both = await routes();
      assert.deepEqual(new Set(both.map(({ family }) => family)), new Set([AF_INET, AF_INET6]));
      const [other] = await routes({ table: 777 });
      assert.deepEqual([other!.destination, other!.table, other!.gateway], ['172.20.0.0', 777, '10.7.0.2']);
      const all = await routes({ table: 0 });
      assert.deepEqual(new Set(all.map(({ table }) => table)), new Set([254, 255, 777]), 'every table');
      assert.deepEqual(await routes({ table: 4242 }), []);
      await assert.rejects(routes({ table: -1 }), RangeError);
      await assert.rejects(routes({ family: 1 }), TypeError);

      // The text knows the same routes, and less of each.
      const known = ({ family, destination, prefixLength, gateway, interface: name, metric }: Route) =>
        `${family} ${destination}/${prefixLength} ${gateway} ${name} ${metric}`;
      const plain = both.filter(
        // Of several ways, of another version's gateway and of what goes nowhere the text tells in its own way.
        ({ nextHops, type, destination }) =>
          nextHops.length === 0 && type === 'unicast' && destination !== '10.77.0.0',
      );
      const read = new Set((await routes({ source: 'proc' })).map(known));
      for (const each of plain) assert.ok(read.has(known(each)), known(each));
    },
    { skip },
  );

  scene(
    'the text of /proc without /sys knows names, addresses and counters',
    async () => {
      // /sys is still that of the network outside, whose interfaces are others.
      const v0 = (await interfaces({ source: 'proc' })).find(({ name }) => name === 'v0')!;
      assert.deepEqual([v0.mtu, v0.address, v0.state], [0, null, 'UNKNOWN']);
      assert.ok(v0.addresses.some(({ address }) => address === '10.7.0.1'));
    },
    { skip },
  );

  scene(
    'the text of /proc knows the interfaces and addresses',
    async () => {
      // What is mounted there shows the network in which it was mounted.
      await runPeer('mount', ['-t', 'sysfs', 'sysfs', '/sys']);
      const asked = await interfaces({ source: 'netlink' });
      const read = await interfaces({ source: 'proc' });
      const known = (list: readonly NetworkInterface[]) =>
        list.map(({ index, name, type, mtu, state, address, addresses }) => ({
          index,
          name,
          type,
          mtu,
          state,
          address,
          addresses: addresses
            .map((one) => `${one.family} ${one.address}/${one.prefixLength} ${one.scope}`)
            .sort(),
        }));
      assert.deepEqual(known(read), known(asked));
    },
    { skip },
  );
});
