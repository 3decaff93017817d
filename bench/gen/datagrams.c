/* Load on datagram sockets: request-response, and a flood whose arrivals the server counts. */
#include "loadgen.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#define BATCH 64

void run_dgecho(void) {
  /* The first 8 bytes of a datagram carry its send time. Lost ones are made up
     for after 50 ms without any reply. */
  int fd = dial(), flying = 0;
  struct mmsghdr m[BATCH];
  struct iovec v[BATCH];
  static char in[BATCH][2048];
  for (int i = 0; i < BATCH; i++) {
    v[i] = (struct iovec){in[i], sizeof in[i]};
    memset(&m[i], 0, sizeof m[i]);
    m[i].msg_hdr.msg_iov = &v[i];
    m[i].msg_hdr.msg_iovlen = 1;
  }
  if (size < 8) size = 8;
  if (size > (int)sizeof in[0]) { errno = E2BIG; die("size"); }
  struct span span = span_from(now_ns());
  uint64_t lost = 0;
  for (;;) {
    uint64_t t = now_ns();
    if (!measuring && t >= span.warm_end) begin_measure();
    if (t >= span.end) break;
    while (flying < depth) {
      memcpy(outgoing, &t, 8);
      if (send(fd, outgoing, (size_t)size, 0) < 0) {
        if (errno == EAGAIN || errno == ENOBUFS) break;
        die("send");
      }
      flying++;
    }
    int n = recvmmsg(fd, m, BATCH, MSG_DONTWAIT, NULL);
    if (n < 0) {
      if (errno != EAGAIN) die("recvmmsg");
      struct pollfd wait = {.fd = fd, .events = POLLIN};
      if (poll(&wait, 1, 50) == 0) { lost += (uint64_t)flying; flying = 0; }
      continue;
    }
    uint64_t arrived = now_ns();
    for (int i = 0; i < n; i++) {
      uint64_t sent;
      if (m[i].msg_len != (unsigned)size) { errno = EPROTO; die("a reply of another size"); }
      memcpy(&sent, in[i], 8);
      if (arrived > sent && arrived - sent < 10000000000u) note_latency(arrived - sent);
      ops++;
      bytes += m[i].msg_len;
      flying--;
    }
    if (flying < 0) flying = 0;
  }
  if (ops == 0) { errno = ETIMEDOUT; die("no reply"); }
  char extra[64];
  snprintf(extra, sizeof extra, ",\"lost\":%llu", (unsigned long long)lost);
  report("dgecho", took_so_far(), extra);
}

uint64_t ask_count(int fd) {
  char answer[64];
  for (int tries = 0; tries < 40; tries++) {
    while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) >= 0) {}
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    poll(&room, 1, 500);
    send(fd, "Q", 1, 0);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, 250) == 1) {
      ssize_t n = recv(fd, answer, sizeof answer - 1, 0);
      if (n > 0) { answer[n] = 0; return strtoull(answer, NULL, 10); }
    }
  }
  errno = ETIMEDOUT;
  die("server gave no count");
  return 0;
}

void run_dgflood(void) {
  /* UDP: one system call carries up to 64 KiB of equal datagrams (UDP_SEGMENT, udp(7)),
     so that the sender is not the limit; AF_UNIX: sendmmsg, blocking on a full queue. */
  int fd = dial();
  memset(outgoing, 'x', sizeof outgoing);
  struct mmsghdr m[BATCH];
  struct iovec v = {outgoing, (size_t)size};
  for (int i = 0; i < BATCH; i++) {
    memset(&m[i], 0, sizeof m[i]);
    m[i].msg_hdr.msg_iov = &v;
    m[i].msg_hdr.msg_iovlen = 1;
  }
  int segment = 0;
  size_t run = 0;
  if (family == AF_INET && burst > 1) {
    segment = size;
    if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment)) segment = 0;
    int pieces = 65000 / size;
    if (pieces > burst) pieces = burst;
    run = (size_t)pieces * (size_t)size;
  }
  if (family == AF_UNIX) fcntl(fd, F_SETFL, 0);
  struct span span = span_from(now_ns());
  uint64_t count0 = 0, sent = 0;
  for (;;) {
    uint64_t t = now_ns();
    if (!measuring && t >= span.warm_end) {
      usleep(20000);
      count0 = ask_count(fd);
      sent = 0;
      begin_measure();
      span.end = now_ns() + (uint64_t)(secs * 1e9);
    }
    if (measuring && t >= span.end) break;
    for (int k = 0; k < 8; k++) {
      if (segment) {
        if (send(fd, outgoing, run, 0) > 0) sent += run / (size_t)size;
        else if (errno == ECONNREFUSED) die("send");
      } else {
        int n = sendmmsg(fd, m, 32, 0);
        if (n > 0) sent += (uint64_t)n;
        else if (errno != EAGAIN && errno != ENOBUFS) die("sendmmsg");
      }
    }
  }
  double took = took_so_far();
  if (family == AF_UNIX) fcntl(fd, F_SETFL, O_NONBLOCK);
  usleep(50000);
  ops = ask_count(fd) - count0;
  bytes = ops * (uint64_t)size;
  char extra[96];
  snprintf(extra, sizeof extra, ",\"sent\":%.1f,\"got_pct\":%.1f", (double)sent / took,
           sent ? 100.0 * (double)ops / (double)sent : 0);
  report("dgflood", took, extra);
}
