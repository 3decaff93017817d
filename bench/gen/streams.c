/* Load on stream sockets: echo ping-pong, bulk in both directions, connecting, idling. */
#include "loadgen.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct conn {
  int fd;
  uint32_t owed;   /* bytes of the current echo still to come */
  uint32_t unsent; /* bytes of the current message still to go out */
  uint64_t began;
};

static void watch(int ep, struct conn *c, uint32_t events) {
  struct epoll_event ev = {.events = events, .data.ptr = c};
  if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev)) die("epoll_ctl");
}
/* EPOLLOUT is edge-triggered and every echo raises one: what is unsent follows there. */
static void send_rest(struct conn *c) {
  ssize_t n = send(c->fd, outgoing, c->unsent, MSG_NOSIGNAL);
  if (n > 0) c->unsent -= (uint32_t)n;
}
static void send_message(struct conn *c, uint32_t flight, uint64_t t) {
  c->owed = c->unsent = flight;
  c->began = t;
  send_rest(c);
}

static void take_echo(struct conn *c, uint32_t flight) {
  for (;;) {
    ssize_t n = recv(c->fd, incoming, BIG, 0);
    if (n == 0) { errno = ECONNRESET; die("server closed"); }
    if (n < 0) {
      if (errno == EAGAIN) return;
      die("recv");
    }
    bytes += (uint64_t)n;
    if ((uint32_t)n > c->owed) { errno = EPROTO; die("too many bytes"); }
    c->owed -= (uint32_t)n;
    if (c->owed) {
      if (n < 1024) return;
      continue;
    }
    uint64_t t = now_ns();
    note_latency(t - c->began);
    ops += (uint64_t)depth;
    send_message(c, flight, t);
    return;
  }
}

void run_pingpong(void) {
  struct conn *all = calloc((size_t)conns, sizeof *all);
  uint32_t flight = (uint32_t)size * (uint32_t)depth;
  if (flight > BIG) { errno = E2BIG; die("size*depth"); }
  int ep = epoll_create1(0);
  for (int i = 0; i < conns; i++) {
    all[i].fd = dial();
    watch(ep, &all[i], EPOLLIN | EPOLLOUT | EPOLLET);
  }
  usleep(100000);
  uint64_t t = now_ns();
  struct span span = span_from(t);
  for (int i = 0; i < conns; i++) send_message(&all[i], flight, t);
  struct epoll_event evs[512];
  for (;;) {
    int n = epoll_wait(ep, evs, 512, 1000);
    t = now_ns();
    if (!measuring && t >= span.warm_end) begin_measure();
    if (t >= span.end) break;
    if (n == 0 && measuring) { errno = ETIMEDOUT; die("no echo for one second"); }
    for (int i = 0; i < n; i++) {
      struct conn *c = evs[i].data.ptr;
      if (c->unsent && (evs[i].events & EPOLLOUT)) send_rest(c);
      if (evs[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) take_echo(c, flight);
    }
  }
  report("pp", took_so_far(), "");
}

/* An op is one system call here, of up to 256 KiB. */
void run_bulk(int out) {
  struct conn *all = calloc((size_t)conns, sizeof *all);
  int ep = epoll_create1(0);
  for (int i = 0; i < conns; i++) {
    all[i].fd = dial();
    watch(ep, &all[i], out ? EPOLLOUT : EPOLLIN);
  }
  struct epoll_event evs[64];
  struct span span = span_from(now_ns());
  for (;;) {
    int n = epoll_wait(ep, evs, 64, 1000);
    uint64_t t = now_ns();
    if (!measuring && t >= span.warm_end) begin_measure();
    if (t >= span.end) break;
    if (n == 0 && measuring) { errno = ETIMEDOUT; die("no bytes for one second"); }
    for (int i = 0; i < n; i++) {
      struct conn *c = evs[i].data.ptr;
      ssize_t r = out ? send(c->fd, outgoing, BIG, MSG_NOSIGNAL) : recv(c->fd, incoming, BIG, 0);
      if (r == 0 || (r < 0 && errno != EAGAIN)) die(out ? "send" : "recv");
      if (r > 0) { bytes += (uint64_t)r; ops++; }
    }
  }
  report(out ? "sink" : "source", took_so_far(), "");
}

static void connect_again(int ep, struct conn *c) {
  c->began = now_ns();
  c->fd = dial_begin();
  watch(ep, c, EPOLLIN | EPOLLRDHUP);
}
void run_accept(void) {
  struct conn *all = calloc((size_t)conns, sizeof *all);
  int ep = epoll_create1(0);
  for (int i = 0; i < conns; i++) connect_again(ep, &all[i]);
  struct epoll_event evs[256];
  struct span span = span_from(now_ns());
  for (;;) {
    int n = epoll_wait(ep, evs, 256, 1000);
    uint64_t t = now_ns();
    if (!measuring && t >= span.warm_end) begin_measure();
    if (t >= span.end) break;
    if (n == 0 && measuring) { errno = ETIMEDOUT; die("no accept for one second"); }
    for (int i = 0; i < n; i++) {
      struct conn *c = evs[i].data.ptr;
      char end[8];
      if (recv(c->fd, end, sizeof end, 0) < 0 && errno == EAGAIN) continue;
      note_latency(now_ns() - c->began);
      ops++;
      close(c->fd);
      connect_again(ep, c);
    }
  }
  report("accept", took_so_far(), "");
}

void run_idle(void) {
  long before = pid ? resident_kib(pid) : 0;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < (rlim_t)conns + 64) { errno = EMFILE; die("descriptor limit"); }
  begin_measure();
  int *fds = calloc((size_t)conns, sizeof *fds);
  for (int i = 0; i < conns; i++) {
    fds[i] = dial();
    ops++;
    if (depth > 1) { /* touch: one message each, so that lazily made state is counted */
      char message[64] = {0};
      if (send(fds[i], message, sizeof message, MSG_NOSIGNAL) < 0) die("send");
      struct pollfd wait = {.fd = fds[i], .events = POLLIN};
      if (poll(&wait, 1, 2000) != 1) { errno = ETIMEDOUT; die("no echo for two seconds"); }
      if (recv(fds[i], message, sizeof message, 0) <= 0) die("recv");
    }
    if (i % 64 == 63) usleep(1000);
  }
  usleep((useconds_t)(secs * 1e6));
  long after = pid ? resident_kib(pid) : 0;
  char extra[160];
  snprintf(extra, sizeof extra, ",\"rss0_kib\":%ld,\"rss1_kib\":%ld,\"bytes_conn\":%.1f", before, after,
           (double)(after - before) * 1024.0 / conns);
  report("idle", took_so_far(), extra);
}
