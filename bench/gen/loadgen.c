/* Load generator for raw sockets: command line, addresses, connecting.
 *
 *   loadgen MODE ADDR [--conns N] [--size B] [--secs S] [--depth D] [--warm S]
 *                     [--pid SERVER_PID] [--burst N] [--label TEXT] [--role MODE]
 *
 * MODE   pp       stream echo ping-pong, D messages in flight per connection
 *        sink     client sends as fast as it can, the server discards
 *        source   the server sends as fast as it can, client discards
 *        accept   connect, wait for the server's close, reset; repeat
 *        idle     open N connections, hold them S seconds
 *        dgecho   datagram request-response, D in flight in total
 *        dgflood  datagrams one way; the server counts ("Q" asks for the count)
 *        verify   is the server that runs as --role correct? (no measurement)
 * ADDR   tcp:PORT  unix:PATH  udp:PORT  udgram:PATH
 *
 * ops = messages echoed / connections served / datagrams received by the server.
 * cpu_us_op = server CPU time (user+system, all its threads) per op, from
 * /proc/PID/stat: it tells the cost when the generator itself is the limit. */
#include "loadgen.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int conns = 1, size = 64, depth = 1, pid = 0, burst = 64, family, type;
double secs = 3, warm = 0.5;
const char *label = "", *role = "echo";
char outgoing[BIG], incoming[BIG];

static struct sockaddr_storage peer;
static socklen_t peer_len;
static char own_path[108];

void forget_own_path(void) {
  if (own_path[0]) unlink(own_path);
}

void die(const char *what) {
  int error = errno;
  forget_own_path();
  fprintf(stderr, "loadgen: %s: %s\n", what, strerror(error));
  printf("{\"error\":\"%s: %s\"}\n", what, strerror(error));
  exit(1);
}

static void parse_address(const char *text) {
  const char *colon = strchr(text, ':');
  if (!colon) { errno = EINVAL; die("address"); }
  if (!strncmp(text, "tcp:", 4) || !strncmp(text, "udp:", 4)) {
    struct sockaddr_in *in = (struct sockaddr_in *)&peer;
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)atoi(colon + 1));
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer_len = sizeof *in;
    family = AF_INET;
    type = text[0] == 't' ? SOCK_STREAM : SOCK_DGRAM;
  } else {
    struct sockaddr_un *un = (struct sockaddr_un *)&peer;
    un->sun_family = AF_UNIX;
    strncpy(un->sun_path, colon + 1, sizeof un->sun_path - 1);
    peer_len = sizeof *un;
    family = AF_UNIX;
    type = !strncmp(text, "unix:", 5) ? SOCK_STREAM : SOCK_DGRAM;
  }
}

int dial(void) {
  int fd = socket(family, type | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  if (family == AF_UNIX && type == SOCK_DGRAM) {
    /* a name of its own, or the server could not answer */
    struct sockaddr_un me = {.sun_family = AF_UNIX};
    snprintf(me.sun_path, sizeof me.sun_path, "%.80s.c%d", ((struct sockaddr_un *)&peer)->sun_path, (int)getpid());
    strcpy(own_path, me.sun_path);
    unlink(own_path);
    if (bind(fd, (void *)&me, sizeof me)) die("bind");
  }
  /* AF_UNIX: EAGAIN where the server's backlog is full */
  for (int tries = 0; connect(fd, (void *)&peer, peer_len); tries++) {
    if ((errno != EAGAIN && errno != ECONNREFUSED) || tries > 2000) die("connect");
    usleep(1000);
  }
  if (family == AF_INET && type == SOCK_STREAM) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

int dial_begin(void) {
  int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  /* reset on close: no TIME_WAIT, so that the ports last for a long run */
  struct linger reset = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  while (connect(fd, (void *)&peer, peer_len) && errno != EINPROGRESS) {
    if (errno == EAGAIN) { sched_yield(); continue; }
    die("connect");
  }
  return fd;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: loadgen MODE ADDR [--conns N] [--size B] [--secs S] [--depth D] [--warm S]\n"
                    "                         [--pid PID] [--burst N] [--label TEXT] [--role MODE]\n");
    return 2;
  }
  parse_address(argv[2]);
  for (int i = 3; i < argc; i += 2) {
    const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
    if (!strcmp(name, "--conns")) conns = atoi(value);
    else if (!strcmp(name, "--size")) size = atoi(value);
    else if (!strcmp(name, "--secs")) secs = atof(value);
    else if (!strcmp(name, "--depth")) depth = atoi(value);
    else if (!strcmp(name, "--warm")) warm = atof(value);
    else if (!strcmp(name, "--pid")) pid = atoi(value);
    else if (!strcmp(name, "--burst")) burst = atoi(value);
    else if (!strcmp(name, "--label")) label = value;
    else if (!strcmp(name, "--role")) role = value;
    else { fprintf(stderr, "loadgen: unknown option %s\n", name); return 2; }
  }
  if (conns < 1 || size < 1 || depth < 1 || burst < 1 || size > BIG) {
    fprintf(stderr, "loadgen: sizes and numbers must be positive, --size at most %d\n", BIG);
    return 2;
  }
  const char *mode = argv[1];
  if (!strcmp(mode, "pp")) run_pingpong();
  else if (!strcmp(mode, "sink")) run_bulk(1);
  else if (!strcmp(mode, "source")) run_bulk(0);
  else if (!strcmp(mode, "accept")) run_accept();
  else if (!strcmp(mode, "idle")) run_idle();
  else if (!strcmp(mode, "dgecho")) run_dgecho();
  else if (!strcmp(mode, "dgflood")) run_dgflood();
  else if (!strcmp(mode, "verify")) return run_verify();
  else { fprintf(stderr, "loadgen: unknown mode %s\n", mode); return 2; }
  return 0;
}
