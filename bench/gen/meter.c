/* The meter: time, latency histogram, CPU time of the server, of the generator and of
 * everybody else, and the JSON line. It knows nothing of sockets. */
#include "loadgen.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

uint64_t ops, bytes;
int measuring;

static uint64_t began;
static long server_ticks0, busy0, steal0;
static double own0;

uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
struct span span_from(uint64_t start) {
  uint64_t warm_end = start + (uint64_t)(warm * 1e9);
  return (struct span){warm_end, warm_end + (uint64_t)(secs * 1e9)};
}
double took_so_far(void) { return (double)(now_ns() - began) / 1e9; }

/* Latency in ns: 32 linear steps in each power of two, so 3 % wide. */
#define STEPS 32
static uint64_t histogram[64 * STEPS];
static uint64_t noted;
static inline unsigned bucket_of(uint64_t v) {
  if (v < STEPS) return (unsigned)v;
  unsigned top = 63 - (unsigned)__builtin_clzll(v);
  return (top - 4) * STEPS + (unsigned)((v >> (top - 5)) & (STEPS - 1));
}
static double value_of(unsigned bucket) {
  if (bucket < STEPS) return bucket;
  unsigned top = bucket / STEPS + 4;
  return (double)((uint64_t)(STEPS + bucket % STEPS) << (top - 5));
}
void note_latency(uint64_t ns) {
  histogram[bucket_of(ns)]++;
  noted++;
}
static double quantile_us(double q) {
  uint64_t want = (uint64_t)((double)noted * q), seen = 0;
  for (unsigned i = 0; i < 64 * STEPS; i++) {
    seen += histogram[i];
    if (seen > want) return value_of(i) / 1000.0;
  }
  return 0;
}

static ssize_t slurp(const char *path, char *into, size_t room) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -1;
  ssize_t n = read(fd, into, room - 1);
  close(fd);
  if (n >= 0) into[n] = 0;
  return n;
}
static long server_ticks(void) {
  char path[64], text[1024];
  if (!pid) return 0;
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  if (slurp(path, text, sizeof text) <= 0) return 0;
  /* proc_pid_stat(5): the name stands in brackets and may hold anything */
  char *after_name = strrchr(text, ')');
  unsigned long user = 0, system = 0;
  if (!after_name ||
      sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
    return 0;
  return (long)(user + system);
}
/* user+nice+system of all CPUs, and the time the hypervisor took away, in ticks */
static void machine_ticks(long *busy, long *steal) {
  char text[512];
  long user = 0, nice = 0, system = 0, stolen = 0;
  *busy = *steal = 0;
  if (slurp("/proc/stat", text, sizeof text) <= 0) return;
  if (sscanf(text, "cpu %ld %ld %ld %*d %*d %*d %*d %ld", &user, &nice, &system, &stolen) != 4) return;
  *busy = user + nice + system;
  *steal = stolen;
}
long resident_kib(int of) {
  char path[64], line[256];
  long kib = 0;
  snprintf(path, sizeof path, "/proc/%d/status", of);
  FILE *f = fopen(path, "r");
  if (!f) return 0;
  while (fgets(line, sizeof line, f))
    if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
  fclose(f);
  return kib;
}
static double own_cpu(void) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

void begin_measure(void) {
  memset(histogram, 0, sizeof histogram);
  noted = ops = bytes = 0;
  server_ticks0 = server_ticks();
  own0 = own_cpu();
  machine_ticks(&busy0, &steal0);
  began = now_ns();
  measuring = 1;
}
void report(const char *mode, double took, const char *extra) {
  double hz = (double)sysconf(_SC_CLK_TCK);
  double server = (double)(server_ticks() - server_ticks0) / hz, mine = own_cpu() - own0;
  long busy, steal;
  machine_ticks(&busy, &steal);
  double other = (double)(busy - busy0) / hz - server - mine;
  if (other < 0) other = 0;
  printf("{\"label\":\"%s\",\"mode\":\"%s\",\"conns\":%d,\"size\":%d,\"depth\":%d,\"secs\":%.3f,"
         "\"ops\":%.1f,\"mbs\":%.2f,\"p50_us\":%.2f,\"p99_us\":%.2f,"
         "\"srv_cpu\":%.3f,\"gen_cpu\":%.3f,\"other_cpu\":%.3f,\"steal\":%.3f,\"cpu_us_op\":%.4f%s}\n",
         label, mode, conns, size, depth, took, (double)ops / took, (double)bytes / took / 1e6, quantile_us(0.50),
         quantile_us(0.99), server / took, mine / took, other / took, (double)(steal - steal0) / hz / took,
         ops ? server * 1e6 / (double)ops : 0, extra);
  fflush(stdout);
  forget_own_path();
}
