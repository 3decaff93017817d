// Linked into the sanitized addon (-Wl,--wrap=syscall): the kernel writes where it is told to, and
// the address sanitizer does not see that. Before each bare system call the memory that it names
// is looked at, and a byte that is not the addon's to give ends the process with a report.
#include <sanitizer/asan_interface.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>

extern "C" long __real_syscall(long number, ...);

namespace {

constexpr size_t MOST = 1 << 20;

// Touches the first bad byte, so that the sanitizer tells whose it is and from where it was reached.
void check(const void *memory, size_t size, bool written) {
  if (!memory || !size) return;
  // Of gigabytes the two ends: every part of a send names all that is left.
  if (size > MOST) {
    check(memory, MOST / 2, written);
    memory = static_cast<const uint8_t *>(memory) + size - MOST / 2;
    size = MOST / 2;
  }
  auto *bad = static_cast<volatile uint8_t *>(__asan_region_is_poisoned(const_cast<void *>(memory), size));
  if (!bad) return;
  if (written) *bad = 0;
  else (void)*bad;
}

void check(const msghdr &m, bool written) {
  check(&m, sizeof m, false);
  check(m.msg_name, m.msg_namelen, written);
  check(m.msg_iov, m.msg_iovlen * sizeof(iovec), false);
  for (size_t i = 0; i < m.msg_iovlen; i++) check(m.msg_iov[i].iov_base, m.msg_iov[i].iov_len, written);
  check(m.msg_control, m.msg_controllen, written);
}

}  // namespace

extern "C" long __wrap_syscall(long number, ...) {
  long a[6];
  va_list list;
  va_start(list, number);
  for (long &each : a) each = va_arg(list, long);
  va_end(list);
  auto *at = reinterpret_cast<void *>(a[1]);
  auto *name = reinterpret_cast<void *>(a[4]);
  size_t size = static_cast<size_t>(a[2]);
  switch (number) {
    case SYS_recvfrom:
      check(at, size, true);
      if (name) check(name, *reinterpret_cast<socklen_t *>(a[5]), true);
      break;
    case SYS_sendto:
      check(at, size, false);
      check(name, static_cast<size_t>(a[5]), false);
      break;
    case SYS_recvmsg:
    case SYS_sendmsg:
      check(*static_cast<msghdr *>(at), number == SYS_recvmsg);
      break;
    case SYS_recvmmsg:
    case SYS_sendmmsg:
      for (size_t i = 0; i < size; i++) check(static_cast<mmsghdr *>(at)[i].msg_hdr, number == SYS_recvmmsg);
      break;
  }
  return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
