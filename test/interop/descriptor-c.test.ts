// Descriptors and the addresses of datagrams between this library and C, by the macros of cmsg(3),
// both ways.
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_PKTINFO,
  IPV6_RECVPKTINFO,
  if_nametoindex,
  inet_ntop,
  inet_pton,
  MSG_CTRUNC,
  recvFds,
  SOCK_DGRAM,
  SOCK_STREAM,
  sendFds,
  socket,
} from 'berkeley-sockets';
import { compile } from '../support/cprogram.ts';
import { within } from '../support/deadline.ts';
import { requirePeer, startPeer } from '../support/peer.ts';
import { type SceneOptions, scene } from '../support/scene.ts';
import { tempdir, tempPath } from '../support/tempdir.ts';
import { udp6 } from '../support/transports.ts';

const cc = requirePeer('cc');
const options: SceneOptions = { skip: cc.skip ?? false, seconds: 90 };

const headers = `
  #define _GNU_SOURCE
  #include <arpa/inet.h>
  #include <err.h>
  #include <fcntl.h>
  #include <netinet/in.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/socket.h>
  #include <sys/un.h>
  #include <unistd.h>
`;

// Connects; receives two messages with descriptors, says what they hold and writes to the last one;
// sends what it got back, the other way round, with a pipe in front.
const passing = `${headers}
  static int take(int s, char *data, size_t size, int *fds, int most) {
    struct iovec v = {data, size - 1};
    union { char room[CMSG_SPACE(sizeof(int) * 300)]; struct cmsghdr align; } control;
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    ssize_t n = recvmsg(s, &m, MSG_CMSG_CLOEXEC);
    if (n < 0) err(1, "recvmsg");
    data[n] = 0;
    int count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) errx(1, "another message");
      int here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      if (count + here > most) errx(1, "too many");
      memcpy(fds + count, CMSG_DATA(c), here * sizeof(int));
      count += here;
    }
    return count;
  }
  static void give(int s, const char *one, const char *two, const int *fds, int count) {
    struct iovec v[2] = {{(void *)one, strlen(one)}, {(void *)two, strlen(two)}};
    union { char room[CMSG_SPACE(sizeof(int) * 300)]; struct cmsghdr align; } control;
    memset(&control, 0, sizeof control);
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2, .msg_control = control.room, .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
    if (sendmsg(s, &m, 0) < 0) err(1, "sendmsg");
  }
  int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strncpy(to.sun_path, argv[1], sizeof to.sun_path - 1);
    if (connect(s, (struct sockaddr *)&to, sizeof to) < 0) err(1, "connect");
    char data[1000], text[100] = "";
    int fds[300];
    int count = take(s, data, sizeof data, fds, 300);
    printf("%s: %d", data, count);
    for (int i = 0; i < count; i++) {
      ssize_t n = pread(fds[i], text, sizeof text - 1, 0);
      printf(" %.*s", (int)n, text);
    }
    printf("\\n");
    if (pwrite(fds[count - 1], "written by C", 12, 0) != 12) err(1, "pwrite");
    int back[4], ends[2];
    if (pipe(ends) < 0) err(1, "pipe");
    back[0] = ends[1];
    for (int i = 0; i < count; i++) back[1 + i] = fds[count - 1 - i];
    give(s, "two ", "parts", back, 1 + count);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    printf("pipe: %.*s\\n", (int)n, text);
    printf("most: %d\\n", take(s, data, sizeof data, fds, 300));
    int many[253];
    for (int i = 0; i < 253; i++) many[i] = ends[0];
    give(s, "many", "", many, 253);
    return 0;
  }
`;

scene(
  'a C program passes descriptors on and back',
  async (s) => {
    const program = await compile(s, passing);
    const listener = s.own(socket(AF_UNIX, SOCK_STREAM));
    const name = tempPath(s);
    listener.bind(name);
    listener.listen();
    const peer = startPeer(s, program, [name]);
    const [end] = await within(listener.accept(), 'its connection');
    s.own(end);
    const folder = tempdir(s);
    const names = ['one', 'two', 'three'].map((each) => path.join(folder, each));
    const files = names.map((each) => {
      writeFileSync(each, path.basename(each));
      return openSync(each, 'r+');
    });
    await sendFds(end, ['from ', 'here'], files);
    assert.equal(await within(peer.line(/^from/), 'what it got'), 'from here: 3 one two three');
    for (const fd of files) closeSync(fd);
    const [data, fds, msgFlags] = await within(recvFds(end, 100, 4), 'what comes back');
    assert.deepEqual([String(data), fds.length, msgFlags & MSG_CTRUNC], ['two parts', 4, 0]);
    assert.equal(readFileSync(names[2]!, 'utf8'), 'written by C');
    const texts = fds.slice(1).map((fd) => {
      const memory = Buffer.alloc(100);
      return String(memory.subarray(0, readSync(fd, memory, 0, 100, 0)));
    });
    assert.deepEqual(texts, ['written by C', 'two', 'one']);
    writeSync(fds[0]!, 'hello, C');
    assert.equal(await within(peer.line(/^pipe/), 'what it read'), 'pipe: hello, C');
    await sendFds(end, ['x'], Array(253).fill(fds[0]));
    assert.equal(await within(peer.line(/^most/), 'how many it got'), 'most: 253');
    const [many, more] = await within(recvFds(end, 100, 253), 'as many');
    assert.deepEqual([String(many), more.length], ['many', 253]);
    for (const fd of [...fds, ...more]) closeSync(fd);
    await peer.succeed();
  },
  options,
);

// Receives datagrams, says where they came to and from, and answers from the address in argv[1].
const answering = (family: 'AF_INET' | 'AF_INET6') => {
  const six = family === 'AF_INET6';
  const [info, sockaddr, port] = six
    ? ['struct in6_pktinfo', 'struct sockaddr_in6', 'sin6_port']
    : ['struct in_pktinfo', 'struct sockaddr_in', 'sin_port'];
  const [level, type, on] = six
    ? ['IPPROTO_IPV6', 'IPV6_PKTINFO', 'IPV6_RECVPKTINFO']
    : ['IPPROTO_IP', 'IP_PKTINFO', 'IP_PKTINFO'];
  const [to, source, index] = six
    ? ['ipi6_addr', 'ipi6_addr', 'ipi6_ifindex']
    : ['ipi_addr', 'ipi_spec_dst', 'ipi_ifindex'];
  const from = six ? 'sin6_addr' : 'sin_addr';
  return `${headers}
  int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    int s = socket(${family}, SOCK_DGRAM, 0), one = 1;
    ${sockaddr} name;
    socklen_t length = sizeof name;
    memset(&name, 0, sizeof name);
    name.${six ? 'sin6_family' : 'sin_family'} = ${family};
    if (bind(s, (struct sockaddr *)&name, sizeof name) < 0) err(1, "bind");
    if (setsockopt(s, ${level}, ${on}, &one, sizeof one) < 0) err(1, "setsockopt");
    getsockname(s, (struct sockaddr *)&name, &length);
    printf("port %d\\n", ntohs(name.${port}));
    char data[100], came[100], sent[100];
    struct iovec v = {data, sizeof data - 1};
    union { char room[CMSG_SPACE(sizeof(${info}))]; struct cmsghdr align; } control;
    struct msghdr m = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    ssize_t n = recvmsg(s, &m, 0);
    if (n < 0) err(1, "recvmsg");
    ${info} info;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (!c || c->cmsg_level != ${level} || c->cmsg_type != ${type}) errx(1, "no pktinfo");
    memcpy(&info, CMSG_DATA(c), sizeof info);
    printf("%.*s to %s from %s index %d\\n", (int)n, data, inet_ntop(${family}, &info.${to}, came, sizeof came),
           inet_ntop(${family}, &name.${from}, sent, sizeof sent), (int)info.${index});
    memset(&control, 0, sizeof control);
    memset(&info, 0, sizeof info);
    if (inet_pton(${family}, argv[1], &info.${source}) != 1) errx(1, "address");
    m.msg_controllen = sizeof control.room;
    c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = ${level};
    c->cmsg_type = ${type};
    c->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(c), &info, sizeof info);
    v.iov_base = "answer";
    v.iov_len = 6;
    if (sendmsg(s, &m, 0) < 0) err(1, "sendmsg");
    return 0;
  }`;
};

const families = [
  {
    name: 'IPv4',
    family: AF_INET,
    symbol: 'AF_INET' as const,
    any: ['', 0] as const,
    addresses: ['127.0.0.5', '127.0.0.6', '127.0.0.7'],
    level: IPPROTO_IP,
    type: IP_PKTINFO!,
    receive: IP_PKTINFO!,
    // struct in_pktinfo, ip(7): interface, local address, address in the header.
    pack: (source: string) => Buffer.concat([Buffer.alloc(4), inet_pton(AF_INET, source), Buffer.alloc(4)]),
    unpack: (data: Buffer) => [
      inet_ntop(AF_INET, data.subarray(8, 12)),
      new Int32Array(data.buffer, data.byteOffset)[0],
    ],
    missing: false as string | false,
  },
  {
    name: 'IPv6',
    family: AF_INET6,
    symbol: 'AF_INET6' as const,
    any: ['', 0] as const,
    // A machine has but one IPv6 loopback address.
    addresses: ['::1', '::1', '::1'],
    level: IPPROTO_IPV6,
    type: IPV6_PKTINFO!,
    receive: IPV6_RECVPKTINFO!,
    // struct in6_pktinfo, RFC 3542: address, interface.
    pack: (source: string) => Buffer.concat([inet_pton(AF_INET6, source), Buffer.alloc(4)]),
    unpack: (data: Buffer) => [
      inet_ntop(AF_INET6, data.subarray(0, 16)),
      new Int32Array(data.buffer, data.byteOffset + 16)[0],
    ],
    missing: udp6.missing,
  },
];

for (const { name, family, symbol, any, addresses, level, type, receive, pack, unpack, missing } of families)
  scene(
    `a C program and this library choose and tell the addresses of datagrams (${name})`,
    async (s) => {
      const [itself, ours, theirs] = addresses as [string, string, string];
      const peer = startPeer(s, await compile(s, answering(symbol)), [theirs]);
      const port = Number((await within(peer.line(/^port/), 'its port')).slice(5));
      const u = s.own(socket(family, SOCK_DGRAM));
      u.bind(any);
      u.setsockopt(level, receive, 1);
      await u.sendmsg(['a ', 'question'], { ancdata: [[level, type, pack(ours)]], address: [itself, port] });
      const index = if_nametoindex('lo');
      assert.equal(
        await within(peer.line(/^a question/), 'what came'),
        `a question to ${itself} from ${ours} index ${index}`,
      );
      const [data, rows, msgFlags, address] = await within(u.recvmsg(100, 100), 'its answer');
      assert.deepEqual(
        [String(data), msgFlags, (address as readonly unknown[]).slice(0, 2)],
        ['answer', 0, [theirs, port]],
      );
      assert.deepEqual(rows[0]!.slice(0, 2), [level, type]);
      assert.deepEqual(unpack(rows[0]![2]), [ours, index]);
      await peer.succeed();
    },
    { ...options, skip: cc.skip ?? missing },
  );
