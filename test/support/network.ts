// Tests in a network of their own: the file runs once more in a network namespace, beside a
// second one, `peer`, at the other end of two cables. What the tests start runs there too.
import { test } from 'node:test';
import { noOwnNetwork, ownNetwork, runNode } from './node.ts';

/** Words to put before a command that is to run at the other end: `ip netns exec peer python3 …`. */
export const atPeer: readonly string[] = ['ip', 'netns', 'exec', 'peer'];

// v0 ═ v1 and w0 ═ w1: 10.7.0.1 and fd07::1 here, .2 and .3 at the peer's end; 10.8 and fd08
// alike. The folder in which `ip` keeps names of namespaces is this network's own. Addresses of
// IPv6 are good at once.
const cables = `
  mount -t tmpfs tmpfs /run
  ip netns add peer
  quiet() { for file in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 > $file; done; }
  quiet
  ip netns exec peer sh -c 'for file in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 > $file; done'
  cable() {
    ip link add $1"0" type veth peer name $1"1"
    ip link set $1"1" netns peer
    ip addr add 10.$2.0.1/24 brd + dev $1"0"
    ip addr add 10.$2.0.11/24 brd + dev $1"0"
    ip addr add fd0$2::1/64 dev $1"0" nodad
    ip addr add fd0$2::11/64 dev $1"0" nodad
    for i in 2 3; do
      ip -n peer addr add 10.$2.0.$i/24 brd + dev $1"1"
      ip -n peer addr add fd0$2::$i/64 dev $1"1" nodad
    done
    ip link set $1"0" up
    ip -n peer link set $1"1" up
  }
  cable v 7
  cable w 8
  ip -n peer link set lo up
`;

/** Declares the tests of `body` in that network, as one test of the file that `url` is. */
export function inOwnNetwork(url: string, body: () => void, seconds = 120): void {
  if (process.env.TEST_OWN_NETWORK === url) {
    body();
    return;
  }
  test('in a network of its own', { skip: noOwnNetwork() }, async () => {
    await runNode(`await import(${JSON.stringify(url)})`, {
      flags: ['--import', 'tsx', '--enable-source-maps'],
      wrap: ownNetwork(cables),
      env: { TEST_OWN_NETWORK: url },
      seconds,
    });
  });
}
