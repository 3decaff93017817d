/* Is the server correct? A rate of wrong bytes is worth nothing, so this goes before any
 * measurement: every byte compared, every datagram counted, and connections that are
 * reset in the middle must leave a server that still works. */
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
#define PATIENCE_MS 5000

static void fail(const char *what) {
  errno = EPROTO;
  die(what);
}
static short wait_for(int fd, short events) {
  struct pollfd p = {.fd = fd, .events = events};
  if (poll(&p, 1, PATIENCE_MS) != 1) { errno = ETIMEDOUT; die("verify: nothing for five seconds"); }
  return p.revents;
}

/* Byte k of connection c, so that a shifted, swapped or foreign piece is seen. */
static inline char pattern(unsigned c, uint64_t k) {
  uint64_t x = (k + 1) * 0x9E3779B97F4A7C15u + c * 0xBF58476D1CE4E5B9u;
  return (char)(x >> 56);
}

struct flow {
  int fd;
  unsigned id;
  uint64_t sent, got, total;
  int ended;
};
static void flow_send(struct flow *f) {
  static unsigned rounds;
  size_t piece = 1 + (rounds++ * 7919u) % BIG;
  if (piece > f->total - f->sent) piece = (size_t)(f->total - f->sent);
  for (size_t i = 0; i < piece; i++) outgoing[i] = pattern(f->id, f->sent + i);
  ssize_t n = send(f->fd, outgoing, piece, MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN) die("verify: send");
  if (n > 0) f->sent += (uint64_t)n;
  if (f->sent == f->total) shutdown(f->fd, SHUT_WR);
}
static void flow_take(struct flow *f, int echoes) {
  ssize_t n = recv(f->fd, incoming, BIG, 0);
  if (n < 0) {
    if (errno == EAGAIN) return;
    die("verify: recv");
  }
  if (n == 0) {
    if (f->sent != f->total) fail("verify: the server closed early");
    if (f->got != (echoes ? f->total : 0)) fail("verify: end of stream after another number of bytes");
    f->ended = 1;
    return;
  }
  if (!echoes || f->got + (uint64_t)n > f->total) fail("verify: more bytes than expected");
  for (ssize_t i = 0; i < n; i++)
    if (incoming[i] != pattern(f->id, f->got + (uint64_t)i)) fail("verify: a byte differs");
  f->got += (uint64_t)n;
}
/* Many connections at once, both directions at full speed, then end of stream. */
static void exchange(int many, uint64_t total, int echoes) {
  struct flow *all = calloc((size_t)many, sizeof *all);
  struct pollfd *p = calloc((size_t)many, sizeof *p);
  for (int i = 0; i < many; i++) all[i] = (struct flow){.fd = dial(), .id = (unsigned)i, .total = total + (uint64_t)i};
  for (int left = many; left > 0;) {
    for (int i = 0; i < many; i++) {
      p[i].fd = all[i].ended ? -1 : all[i].fd;
      p[i].events = (short)(POLLIN | (all[i].sent < all[i].total ? POLLOUT : 0));
    }
    if (poll(p, (nfds_t)many, PATIENCE_MS) < 1) { errno = ETIMEDOUT; die("verify: nothing for five seconds"); }
    for (int i = 0; i < many; i++) {
      if (p[i].fd < 0) continue;
      if (p[i].revents & POLLOUT && all[i].sent < all[i].total) flow_send(&all[i]);
      if (p[i].revents & ~POLLOUT) flow_take(&all[i], echoes);
      if (all[i].ended) { close(all[i].fd); left--; }
    }
  }
  ops += (uint64_t)many;
  free(all);
  free(p);
}
/* Connections that end badly: nothing sent; some bytes sent; much sent and nothing read. */
static void reset_some(int many) {
  struct linger reset = {1, 0};
  for (int i = 0; i < many; i++) {
    int fd = dial();
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (i % 3 == 1) send(fd, outgoing, 100, MSG_NOSIGNAL);
    if (i % 3 == 2)
      for (int k = 0; k < 20; k++) send(fd, outgoing, BIG, MSG_NOSIGNAL);
    if (i % 2) usleep(1000);
    close(fd);
  }
}

static void drain_source(int many, uint64_t total) {
  for (int i = 0; i < many; i++) {
    int fd = dial();
    for (uint64_t got = 0; got < total;) {
      wait_for(fd, POLLIN);
      ssize_t n = recv(fd, incoming, BIG, 0);
      if (n == 0) fail("verify: the source ended");
      if (n < 0 && errno != EAGAIN) die("verify: recv");
      if (n > 0) got += (uint64_t)n;
    }
    close(fd);
    ops++;
  }
}

static void accept_some(int many) {
  for (int i = 0; i < many; i++) {
    int fd = dial_begin();
    wait_for(fd, POLLIN);
    char end[8];
    ssize_t n = recv(fd, end, sizeof end, 0);
    if (n > 0 || (n < 0 && errno != ECONNRESET)) fail("verify: the connection was not closed");
    close(fd);
    ops++;
  }
}

/* Windows of numbered datagrams of all sizes; every one comes back whole, once. */
static void echo_datagrams(int fd, int windows) {
  unsigned window = family == AF_UNIX ? 8 : 32;
  for (int w = 0; w < windows; w++) {
    unsigned seen[32] = {0};
    for (unsigned i = 0; i < window; i++) {
      unsigned length = 1 + ((unsigned)w * 131u + i * 977u) % 1400u;
      outgoing[0] = (char)i;
      for (unsigned k = 1; k < length; k++) outgoing[k] = pattern(i + (unsigned)w * 64u, k);
      while (send(fd, outgoing, length, 0) < 0) {
        if (errno != EAGAIN) die("verify: send");
        wait_for(fd, POLLOUT);
      }
    }
    for (unsigned back = 0; back < window; back++) {
      wait_for(fd, POLLIN);
      ssize_t n = recv(fd, incoming, BIG, 0);
      if (n < 1) fail("verify: no datagram");
      unsigned i = (unsigned char)incoming[0];
      if (i >= window || seen[i]++) fail("verify: an unknown or a second reply");
      if ((unsigned)n != 1 + ((unsigned)w * 131u + i * 977u) % 1400u) fail("verify: a reply of another length");
      for (unsigned k = 1; k < (unsigned)n; k++)
        if (incoming[k] != pattern(i + (unsigned)w * 64u, k)) fail("verify: a byte differs");
      ops++;
    }
  }
  /* an empty datagram is a datagram */
  if (send(fd, outgoing, 0, 0) < 0) die("verify: send");
  wait_for(fd, POLLIN);
  if (recv(fd, incoming, BIG, 0) != 0) fail("verify: the empty datagram did not come back empty");
  ops++;
}

static void count_datagrams(int fd) {
  uint64_t before = ask_count(fd), sent = 0;
  for (int i = 0; i < 600; i++) {
    while (send(fd, outgoing, 1 + (size_t)(i % 7 == 0 ? 1 : i % 1200 + 1), 0) < 0) {
      if (errno != EAGAIN) die("verify: send");
      wait_for(fd, POLLOUT);
    }
    sent++;
    if (i % 20 == 19) usleep(5000);
  }
  if (family == AF_INET) {
    /* runs of equal datagrams with a shorter one at the end, as a GSO sender makes them */
    for (int size_of = 50; size_of <= 1200; size_of += 350) {
      if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size_of, sizeof size_of)) die("verify: UDP_SEGMENT");
      for (int extra = 0; extra < 3; extra++) {
        if (send(fd, outgoing, (size_t)size_of * 20 + (size_t)extra * 7, 0) < 0) die("verify: send");
        sent += 20 + (extra ? 1 : 0);
        usleep(5000);
      }
    }
    int none = 0;
    setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &none, sizeof none);
  }
  usleep(100000);
  ops = ask_count(fd) - before;
  if (ops != sent) {
    fprintf(stderr, "sent %llu, counted %llu\n", (unsigned long long)sent, (unsigned long long)ops);
    fail("verify: another number of datagrams counted");
  }
}

int run_verify(void) {
  if (!strcmp(role, "echo") || !strcmp(role, "sink")) {
    int echoes = role[0] == 'e';
    exchange(16, 3000000, echoes);
    exchange(64, 1, echoes);
    reset_some(60);
    exchange(4, 1000000, echoes);
  } else if (!strcmp(role, "source")) {
    drain_source(4, 8000000);
    reset_some(30);
    drain_source(1, 8000000);
  } else if (!strcmp(role, "accept")) {
    accept_some(500);
  } else if (!strcmp(role, "dgecho")) {
    int fd = dial();
    memset(outgoing, 'x', sizeof outgoing);
    echo_datagrams(fd, 20);
  } else if (!strcmp(role, "dgflood")) {
    int fd = dial();
    memset(outgoing, 'x', sizeof outgoing);
    count_datagrams(fd);
  } else {
    fprintf(stderr, "loadgen: unknown role %s\n", role);
    return 2;
  }
  printf("{\"verified\":\"%s\",\"checked\":%llu}\n", role, (unsigned long long)ops);
  forget_own_path();
  return 0;
}
