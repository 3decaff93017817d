/* What the rooms of the load generator share: the options, the peer, the meter.
 * One thread, one process, one JSON line out. */
#ifndef LOADGEN_H
#define LOADGEN_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

/* loadgen.c: the command line and the way to the server. */
extern int conns, size, depth, pid, burst, family, type;
extern double secs, warm;
extern const char *label, *role;
void die(const char *what);
int dial(void); /* a connected, non-blocking socket */
int dial_begin(void); /* the same with the connect under way and RST on close */
void forget_own_path(void);

/* meter.c: time, latency, CPU time, and the line that is printed. */
extern uint64_t ops, bytes;
extern int measuring;
uint64_t now_ns(void);
void note_latency(uint64_t ns);
void begin_measure(void);
void report(const char *mode, double took, const char *extra);
double took_so_far(void);
long resident_kib(int of);

/* The load is measured from warm_end to end; begin_measure() is called in between. */
struct span {
  uint64_t warm_end, end;
};
struct span span_from(uint64_t start);

#define BIG (256 * 1024)
extern char outgoing[BIG], incoming[BIG];

/* streams.c */
void run_pingpong(void);
void run_bulk(int out);
void run_accept(void);
void run_idle(void);

/* datagrams.c */
void run_dgecho(void);
void run_dgflood(void);
uint64_t ask_count(int fd); /* sends "Q", returns the number the server answers with */

/* verify.c */
int run_verify(void);
#endif
