// Receive memory: where the bytes of recv() go, and what a read tells about the queue.
//
// Small reads share areas of 64 KiB, large ones areas of 1 MiB: a small piece that somebody
// keeps must not pin much. JavaScript owns the areas and hands over the next ones (engine.ts).
#include "engine.h"

namespace {

inline size_t align(size_t n) { return (n + 7) & ~size_t{7}; }

bool reserve(Slab &slab, size_t n) {
  if (slab.current.size - slab.current.used >= n) return true;
  if (slab.next.size < n) return false;
  slab.current = slab.next;
  slab.next = Area{};
  slab.sequence++;
  return true;
}

uint8_t *place(Engine *e, int which, size_t n) {
  Slab &slab = e->slabs[which];
  uint8_t *at = slab.current.data + slab.current.used;
  e->io[IO_OFFSET] = static_cast<int32_t>(slab.current.used);
  e->io[IO_SLAB] = which;
  e->io[IO_SEQUENCE] = slab.sequence;
  slab.current.used += align(n);
  return at;
}

// glibc's recv and send are cancellation points; the bare system calls cost some 4 % less in
// a small echo.
inline long receive(int fd, void *to, size_t n) {
  return os::retry([&] { return syscall(SYS_recvfrom, fd, to, n, MSG_DONTWAIT, nullptr, nullptr); });
}

// A read of an AF_UNIX stream ends behind a message that carried descriptors or credentials,
// with more in the queue (af_unix.c, unix_stream_read_generic); only recvmsg tells.
long receive_ancillary(int fd, void *to, size_t n, bool *boundary) {
  iovec v{to, n};
  msghdr m{};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  long r = os::retry([&] { return syscall(SYS_recvmsg, fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); });
  *boundary = (m.msg_flags & MSG_CTRUNC) != 0;
  return r;
}

}  // namespace

long receive_slab(Engine *e, uint32_t slot, int n) {
  if (n < 0) return -EINVAL;
  uint8_t f = e->flags[slot];
  int fd = e->fds[slot];
  long r;
  if (!(f & STREAM)) {
    // A datagram is cut by a buffer that is too small, so it gets all that the caller allows.
    Slab &small = e->slabs[0], &big = e->slabs[1];
    if (!reserve(small, SMALL_ASK) || (n > SMALL_ASK && !reserve(big, SCRATCH))) return NO_SLAB;
    size_t ask = static_cast<size_t>(n) < SCRATCH ? static_cast<size_t>(n) : SCRATCH;
    r = receive(fd, e->scratch, ask);
    if (r > 0) memcpy(place(e, r > SMALL_ASK, static_cast<size_t>(r)), e->scratch, static_cast<size_t>(r));
  } else {
    // Small reads share an area and may take what is left of it; a socket whose reads come
    // large gets its memory from larger areas.
    int which = n > SMALL_ASK && (f & BIG);
    int most = which ? BIG_ASK : SMALL_ASK;
    if (!reserve(e->slabs[which], static_cast<size_t>(n < most ? n : most))) return NO_SLAB;
    Area &area = e->slabs[which].current;
    size_t left = area.size - area.used;
    int ask = static_cast<size_t>(n) < left ? n : static_cast<int>(left);
    uint8_t *to = area.data + area.used;
    bool boundary = false;
    r = f & ANCILLARY ? receive_ancillary(fd, to, static_cast<size_t>(ask), &boundary)
                      : receive(fd, to, static_cast<size_t>(ask));
    if (r > 0) {
      // A small piece must not pin a big area for as long as its owner keeps it.
      if (which == 1 && r <= SMALL_ASK && reserve(e->slabs[0], static_cast<size_t>(r)))
        memcpy(place(e, 0, static_cast<size_t>(r)), to, static_cast<size_t>(r));
      else place(e, which, static_cast<size_t>(r));
      if (r >= SMALL_ASK) f |= BIG;
      else if (r <= SMALL_RESULT) f &= static_cast<uint8_t>(~BIG);
      if (r < ask && (f & SHORT) && !(f & HUP) && !boundary) f &= static_cast<uint8_t>(~READABLE);
    }
  }
  if (r == -EAGAIN) f &= static_cast<uint8_t>(~READABLE);
  e->flags[slot] = f;
  return r;
}
