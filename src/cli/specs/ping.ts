import type { CommandSpec } from '../spec.ts';

export const ping: CommandSpec = {
  name: 'ping',
  summary: 'whether a host answers, and how fast',
  description: [
    'Sends ICMP echo requests (RFC 792, RFC 4443) and tells of the replies, as ping(8) prints them. Ctrl-C ends it with the statistics.',
    'It needs no privilege where the kernel lets the group of the user ping (the sysctl net.ipv4.ping_group_range); elsewhere a raw socket, that is root or CAP_NET_RAW.',
  ],
  arguments: [{ name: 'HOST', what: 'a name or an address' }],
  options: [
    { name: 'count', short: 'c', value: 'N', type: 'count', what: 'end after N requests' },
    {
      name: 'interval',
      short: 'i',
      value: 'SECONDS',
      type: 'seconds',
      what: 'between two requests; 1 if it is not given',
    },
    {
      name: 'timeout',
      short: 'W',
      value: 'SECONDS',
      type: 'seconds',
      what: 'how long to wait for a reply; 10 if it is not given',
    },
    {
      name: 'deadline',
      short: 'w',
      value: 'SECONDS',
      type: 'seconds',
      what: 'end after this time, whatever has come',
    },
    { name: 'size', short: 's', value: 'BYTES', type: 'size', what: 'bytes of data; 56 if it is not given' },
    { name: 'ttl', short: 't', value: 'N', type: 'count', what: 'how many routers a request may pass' },
    { name: 'ipv4', short: '4', what: 'IPv4 only' },
    { name: 'ipv6', short: '6', what: 'IPv6 only' },
    { name: 'quiet', short: 'q', what: 'only the statistics' },
    { name: 'json', what: 'JSON at the end instead of text: each reply, and the statistics' },
  ],
  examples: [
    ['sock ping example.com', 'until Ctrl-C'],
    ['sock ping -c 3 ::1', 'three times'],
  ],
  statuses: [[1, 'no reply came, or it failed']],
  load: () => import('../ping.ts'),
};
