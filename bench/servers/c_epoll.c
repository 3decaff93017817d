/* The reference: one thread, epoll, edge-triggered, each socket registered once. This is the
 * "physical" limit that the other servers are compared with.
 *
 *   c_epoll echo|sink|source|accept|dgecho|dgflood tcp:PORT|unix:PATH|udp:PORT|udgram:PATH
 *
 * Prints "READY", and behind it the port where it has one. GRO=1 in the environment lets the
 * kernel hand over datagrams coalesced (udp(7), UDP_GRO). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#define STREAM_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define HANG_UP (EPOLLHUP | EPOLLERR | EPOLLRDHUP)

enum mode { ECHO, SINK, SOURCE, ACCEPT, DGECHO, DGFLOOD };
static const char *mode_names[] = {"echo", "sink", "source", "accept", "dgecho", "dgflood"};
static enum mode mode;
static int is_unix, is_dgram, ep;
static char received[65536], piece[65536];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int open_server(const char *address) {
  const char *rest = strchr(address, ':');
  if (!rest) { errno = EINVAL; die("address"); }
  rest++;
  is_dgram = !strncmp(address, "udp:", 4) || !strncmp(address, "udgram:", 7);
  is_unix = !strncmp(address, "unix:", 5) || !strncmp(address, "udgram:", 7);
  int type = (is_dgram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
  int fd = socket(is_unix ? AF_UNIX : AF_INET, type, 0);
  if (fd < 0) die("socket");
  if (is_unix) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    strncpy(un.sun_path, rest, sizeof un.sun_path - 1);
    unlink(rest);
    if (bind(fd, (void *)&un, sizeof un)) die("bind");
  } else {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(rest)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (void *)&in, sizeof in)) die("bind");
  }
  if (!is_dgram && listen(fd, 4096)) die("listen");
  return fd;
}
static void ready(int fd) {
  struct sockaddr_in in;
  socklen_t length = sizeof in;
  if (!is_unix && !getsockname(fd, (void *)&in, &length)) printf("READY %d\n", ntohs(in.sin_port));
  else puts("READY");
  fflush(stdout);
}

struct conn {
  int fd;
  uint32_t off, len; /* unsent bytes of buf */
  char *buf;         /* only while a send is stuck */
};

static void drop(struct conn *c) {
  close(c->fd);
  free(c->buf);
  free(c);
}
static void pump_source(struct conn *c) {
  for (int i = 0; i < 16; i++) {
    if (send(c->fd, piece, sizeof piece, MSG_NOSIGNAL) < 0) {
      if (errno != EAGAIN) drop(c);
      return;
    }
  }
  /* fairness: come back through epoll (re-arm the edge) */
  struct epoll_event ev = {.events = STREAM_EVENTS, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
}
static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (mode == ACCEPT) { close(fd); continue; }
    int one = 1;
    if (!is_unix) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct conn *c = calloc(1, sizeof *c);
    c->fd = fd;
    struct epoll_event ev = {.events = STREAM_EVENTS, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
  }
}
/* 1: all sent. 0: stuck, the rest is kept. -1: the connection is gone and dropped. */
static int send_back(struct conn *c, const char *data, size_t length) {
  ssize_t sent = send(c->fd, data, length, MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno != EAGAIN) { drop(c); return -1; }
    sent = 0;
  }
  if ((size_t)sent == length) return 1;
  c->len = (uint32_t)(length - (size_t)sent);
  c->off = 0;
  c->buf = malloc(c->len);
  memcpy(c->buf, data + sent, c->len);
  return 0;
}
static int send_kept(struct conn *c) {
  ssize_t sent = send(c->fd, c->buf + c->off, c->len, MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno == EAGAIN) return 0;
    drop(c);
    return -1;
  }
  c->off += (uint32_t)sent;
  c->len -= (uint32_t)sent;
  if (c->len) return 0;
  free(c->buf);
  c->buf = NULL;
  return 1;
}
static void on_conn(struct conn *c, uint32_t events) {
  if (mode == SOURCE) {
    if (events & HANG_UP) drop(c);
    else pump_source(c);
    return;
  }
  if (c->len) {
    if (!(events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) || send_kept(c) <= 0) return;
  } else if (!(events & (EPOLLIN | HANG_UP))) return;
  for (;;) {
    ssize_t n = recv(c->fd, received, sizeof received, 0);
    if (n == 0) { drop(c); return; }
    if (n < 0) { if (errno != EAGAIN) drop(c); return; }
    if (mode == ECHO && send_back(c, received, (size_t)n) <= 0) return;
    /* A short read drained the socket. With a hang-up pending it did not: the end of the
       stream is still to be read and raises no further edge. */
    if (n < (ssize_t)sizeof received && !(events & EPOLLRDHUP)) return;
  }
}

#define BATCH 64
static unsigned segments_of(struct msghdr *h, unsigned length) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
      int segment;
      memcpy(&segment, CMSG_DATA(c), sizeof segment);
      return (length + (unsigned)segment - 1) / (unsigned)segment;
    }
  return 1;
}
static void run_dgram(int fd) {
  static char data[BATCH][2048], big[8][65536], control[BATCH][64];
  static struct sockaddr_storage from[BATCH];
  struct mmsghdr m[BATCH];
  struct iovec v[BATCH];
  int gro = getenv("GRO") != NULL, batch = gro ? 8 : BATCH, one = 1;
  uint64_t count = 0;
  if (gro && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof one)) die("UDP_GRO");
  struct epoll_event ev = {.events = EPOLLIN};
  epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
  ready(fd);
  for (;;) {
    epoll_wait(ep, &ev, 1, -1);
    for (;;) {
      for (int i = 0; i < batch; i++) {
        v[i].iov_base = gro ? big[i] : data[i];
        v[i].iov_len = gro ? sizeof big[i] : sizeof data[i];
        m[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &v[i],
                                       .msg_iovlen = 1, .msg_control = gro ? control[i] : NULL,
                                       .msg_controllen = gro ? sizeof control[i] : 0};
      }
      int n = recvmmsg(fd, m, (unsigned)batch, MSG_DONTWAIT, NULL);
      if (n <= 0) break;
      if (mode == DGFLOOD) {
        for (int i = 0; i < n; i++) {
          if (m[i].msg_len == 1 && *(char *)v[i].iov_base == 'Q') {
            char out[32];
            int k = snprintf(out, sizeof out, "%llu", (unsigned long long)count);
            sendto(fd, out, (size_t)k, 0, (void *)&from[i], m[i].msg_hdr.msg_namelen);
          } else count += gro ? segments_of(&m[i].msg_hdr, m[i].msg_len) : 1;
        }
      } else {
        for (int i = 0; i < n; i++) {
          v[i].iov_len = m[i].msg_len;
          m[i].msg_hdr.msg_control = NULL;
          m[i].msg_hdr.msg_controllen = 0;
        }
        sendmmsg(fd, m, (unsigned)n, 0);
      }
      if (n < batch) break;
    }
  }
}

int main(int argc, char **argv) {
  int found = -1;
  for (int i = 0; argc == 3 && i < 6; i++)
    if (!strcmp(argv[1], mode_names[i])) found = i;
  if (found < 0) {
    fprintf(stderr, "usage: c_epoll echo|sink|source|accept|dgecho|dgflood tcp:PORT|unix:PATH|udp:PORT|udgram:PATH\n");
    return 2;
  }
  mode = (enum mode)found;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  signal(SIGPIPE, SIG_IGN);
  int listener = open_server(argv[2]);
  ep = epoll_create1(EPOLL_CLOEXEC);
  if (is_dgram) { run_dgram(listener); return 0; }
  struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
  epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
  ready(listener);
  struct epoll_event evs[512];
  for (;;) {
    int n = epoll_wait(ep, evs, 512, -1);
    for (int i = 0; i < n; i++) {
      if (!evs[i].data.ptr) accept_all(listener);
      else on_conn(evs[i].data.ptr, evs[i].events);
    }
  }
}
