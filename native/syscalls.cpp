// One function per system call: read the arguments, call, retry EINTR, return the result or
// -errno. Socket addresses go through the engine's name area; their codec is address.ts.
#include "engine.h"
#include <vector>

namespace {

// The part of a view that a call may touch; nothing where the bounds do not fit, as they do
// not when the buffer was detached after the check in TypeScript. A view may be larger than 2 GiB.
bool part(const Bytes &b, int64_t offset, int64_t length, uint8_t **at) {
  if (offset < 0 || length < 0 || static_cast<size_t>(offset) > b.size ||
      static_cast<size_t>(length) > b.size - static_cast<size_t>(offset))
    return false;
  *at = b.data + offset;
  return true;
}

// The kernel tells the length it wanted to write, which may be more than it wrote.
void name_out(Engine *e, socklen_t length) {
  e->io[IO_NAMELEN] = static_cast<int32_t>(length < e->name.size ? length : e->name.size);
}

napi_value socket_(napi_env env, napi_callback_info info) {
  Call<3> a(env, info);
  int family = a.i32(0), type = a.i32(1) | SOCK_NONBLOCK | SOCK_CLOEXEC, proto = a.i32(2);
  long r = os::retry([&] { return socket(family, type, proto); });
  born(a.state->engine, IO_BORN, r);
  return number(env, r);
}

// socketpair(family, type, proto): the two descriptors in io[0] and io[1].
napi_value socketpair_(napi_env env, napi_callback_info info) {
  Call<3> a(env, info);
  int pair[2] = {-1, -1};
  long r = os::retry([&] { return socketpair(a.i32(0), a.i32(1) | SOCK_NONBLOCK | SOCK_CLOEXEC, a.i32(2), pair); });
  Engine *e = a.state->engine;
  e->io[0] = pair[0];
  e->io[1] = pair[1];
  born(e, IO_BORN, pair[0]);
  born(e, IO_BORN_TOO, pair[1]);
  return number(env, r);
}

// adopt(fd): makes a foreign descriptor non-blocking and close-on-exec.
napi_value adopt(napi_env env, napi_callback_info info) {
  Call<1> a(env, info);
  int fd = a.fd(0), flags = fcntl(fd, F_GETFL);
  if (flags < 0) return number(env, -errno);
  struct stat st;
  if (fstat(fd, &st) < 0) return number(env, -errno);
  if (!S_ISSOCK(st.st_mode)) return number(env, -ENOTSOCK);
  if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return number(env, -errno);
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return number(env, -errno);
  return number(env, 0);
}

napi_value dup_(napi_env env, napi_callback_info info) {
  Call<1> a(env, info);
  long r = os::retry([&] { return fcntl(a.fd(0), F_DUPFD_CLOEXEC, 0); });
  born(a.state->engine, IO_BORN, r);
  return number(env, r);
}

// close(fd): of a descriptor that is in no slot. EINTR is not retried: Linux has freed the
// number by then, and a second close could hit somebody else's descriptor (close(2)).
napi_value close_(napi_env env, napi_callback_info info) {
  Call<1> a(env, info);
  Engine *e = a.state->engine;
  int fd = a.fd(0);
  if (e->io && e->io[IO_BORN] == fd) e->io[IO_BORN] = -1;
  return number(env, close(fd) < 0 && errno != EINTR ? -errno : 0);
}

napi_value bind_(napi_env env, napi_callback_info info) {
  Call<2> a(env, info);
  Name n;
  if (!name_in(a.state->engine, a.i32(1), &n)) return number(env, -EINVAL);
  return number(env, os::retry([&] { return bind(a.fd(0), n.address, n.length); }));
}

napi_value connect_(napi_env env, napi_callback_info info) {
  Call<2> a(env, info);
  Name n;
  if (!name_in(a.state->engine, a.i32(1), &n)) return number(env, -EINVAL);
  int fd = a.fd(0);
  return number(env, os::retry([&] { return connect(fd, n.address, n.length); }));
}

napi_value listen_(napi_env env, napi_callback_info info) {
  Call<2> a(env, info);
  return number(env, os::retry([&] { return listen(a.fd(0), a.i32(1)); }));
}

// accept(fd): the new descriptor, its peer in the name area.
napi_value accept_(napi_env env, napi_callback_info info) {
  Call<1> a(env, info);
  Engine *e = a.state->engine;
  int fd = a.fd(0), flags = fcntl(fd, F_GETFL);
  // accept(2) has no MSG_DONTWAIT: a program that was given the listener, too, may have taken
  // O_NONBLOCK away for all.
  if (flags >= 0 && !(flags & O_NONBLOCK)) {
    pollfd p{fd, POLLIN, 0};
    if (poll(&p, 1, 0) == 0) return number(env, -EAGAIN);
  }
  socklen_t length = 0;
  long r = os::retry([&] {
    length = static_cast<socklen_t>(e->name.size);
    return accept4(fd, reinterpret_cast<sockaddr *>(e->name.data), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  });
  born(e, IO_BORN, r);
  if (r >= 0) name_out(e, length);
  return number(env, r);
}

napi_value shutdown_(napi_env env, napi_callback_info info) {
  Call<2> a(env, info);
  return number(env, os::retry([&] { return shutdown(a.fd(0), a.i32(1)); }));
}

napi_value getsockname_(napi_env env, napi_callback_info info) {
  Call<1> a(env, info);
  Engine *e = a.state->engine;
  socklen_t length = static_cast<socklen_t>(e->name.size);
  long r = os::retry([&] { return getsockname(a.fd(0), reinterpret_cast<sockaddr *>(e->name.data), &length); });
  if (r >= 0) name_out(e, length);
  return number(env, r);
}

napi_value getpeername_(napi_env env, napi_callback_info info) {
  Call<1> a(env, info);
  Engine *e = a.state->engine;
  socklen_t length = static_cast<socklen_t>(e->name.size);
  long r = os::retry([&] { return getpeername(a.fd(0), reinterpret_cast<sockaddr *>(e->name.data), &length); });
  if (r >= 0) name_out(e, length);
  return number(env, r);
}

// getsockopt(fd, level, name, value): the length that the kernel gave, or -errno.
napi_value getsockopt_(napi_env env, napi_callback_info info) {
  Call<4> a(env, info);
  Bytes b = a.bytes(3);
  int level = a.i32(1), name = a.i32(2);
  // The one option whose length counts instructions, in and out: with bytes for them the kernel
  // would write eight times as much as there is room for (sk_get_filter, net/core/filter.c).
  size_t unit = level == SOL_SOCKET && name == SO_GET_FILTER ? sizeof(sock_filter) : 1;
  // For no room at all it tells the number of instructions.
  if (b.size < unit) return number(env, -EINVAL);
  socklen_t length = static_cast<socklen_t>(b.size / unit);
  long r = os::retry([&] { return getsockopt(a.fd(0), level, name, b.data, &length); });
  return number(env, r < 0 ? r : static_cast<long>(length * unit));
}

// attachFilter(fd, choosing, program): a classic BPF program, for which the option's value has a
// pointer: SO_ATTACH_FILTER, or SO_ATTACH_REUSEPORT_CBPF if it chooses among sockets.
napi_value attach_filter(napi_env env, napi_callback_info info) {
  Call<3> a(env, info);
  Bytes b = a.bytes(2);
  bool choosing = false;
  napi_get_value_bool(env, a.argv[1], &choosing);
  if (b.size % sizeof(sock_filter) != 0 || b.size / sizeof(sock_filter) > BPF_MAXINSNS) return number(env, -EINVAL);
  sock_fprog program{};
  program.len = static_cast<unsigned short>(b.size / sizeof(sock_filter));
  program.filter = reinterpret_cast<sock_filter *>(b.data);
  int name = choosing ? SO_ATTACH_REUSEPORT_CBPF : SO_ATTACH_FILTER;
  return number(env, os::retry([&] { return setsockopt(a.fd(0), SOL_SOCKET, name, &program, sizeof program); }));
}

// setsockopt(fd, level, name, value | null, length).
napi_value setsockopt_(napi_env env, napi_callback_info info) {
  Call<5> a(env, info);
  Bytes b = a.bytes(3);
  int32_t length = a.i32(4);
  if (length < 0 || (b.data && static_cast<size_t>(length) > b.size)) return number(env, -EINVAL);
  return number(env, os::retry([&] {
                  return setsockopt(a.fd(0), a.i32(1), a.i32(2), b.data, static_cast<socklen_t>(length));
                }));
}

// recv(fd, view, offset, length, flags).
napi_value recv_(napi_env env, napi_callback_info info) {
  Call<5> a(env, info);
  uint8_t *at;
  int fd = a.fd(0), flags = a.i32(4);
  int64_t length = a.i64(3);
  if (!part(a.bytes(1), a.i64(2), length, &at)) return number(env, -EFAULT);
  return number(env, os::retry([&] {
                  return syscall(SYS_recvfrom, fd, at, static_cast<size_t>(length), flags | MSG_DONTWAIT, nullptr,
                                 nullptr);
                }));
}

// recvStream(fd, view, offset, length): as recv, for an AF_UNIX stream; io[0] says whether the
// read ended at a message with descriptors or credentials, so that a short one proves nothing.
napi_value recv_stream(napi_env env, napi_callback_info info) {
  Call<4> a(env, info);
  uint8_t *at;
  int fd = a.fd(0);
  int64_t length = a.i64(3);
  if (!part(a.bytes(1), a.i64(2), length, &at)) return number(env, -EFAULT);
  iovec v{at, static_cast<size_t>(length)};
  msghdr m{};
  m.msg_iov = &v;
  m.msg_iovlen = 1;
  long r = os::retry([&] { return recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); });
  a.state->engine->io[0] = (m.msg_flags & MSG_CTRUNC) != 0;
  return number(env, r);
}

// recvfrom(fd, view, offset, length, flags): the sender in the peer area.
napi_value recvfrom_(napi_env env, napi_callback_info info) {
  Call<5> a(env, info);
  uint8_t *at;
  int fd = a.fd(0), flags = a.i32(4);
  int64_t length = a.i64(3);
  if (!part(a.bytes(1), a.i64(2), length, &at)) return number(env, -EFAULT);
  alignas(8) uint8_t from[NAME_SIZE];
  socklen_t size = 0;
  long r = os::retry([&] {
    size = sizeof from;
    return syscall(SYS_recvfrom, fd, at, static_cast<size_t>(length), flags | MSG_DONTWAIT, from, &size);
  });
  if (r >= 0) note_peer(a.state->engine, from, size);
  return number(env, r);
}

// send(fd, view, offset, length, flags).
napi_value send_(napi_env env, napi_callback_info info) {
  Call<5> a(env, info);
  uint8_t *at;
  int fd = a.fd(0), flags = a.i32(4);
  int64_t length = a.i64(3);
  if (!part(a.bytes(1), a.i64(2), length, &at)) return number(env, -EFAULT);
  return number(env, os::retry([&] {
                  return syscall(SYS_sendto, fd, at, static_cast<size_t>(length), flags | MSG_DONTWAIT | MSG_NOSIGNAL,
                                 nullptr, 0);
                }));
}

// sendto(fd, view, offset, length, flags, namelen): to the name area's address; a negative
// namelen means the peer area's, the sender of the last recvfrom.
napi_value sendto_(napi_env env, napi_callback_info info) {
  Call<6> a(env, info);
  uint8_t *at;
  Name n;
  int fd = a.fd(0), flags = a.i32(4);
  int64_t length = a.i64(3);
  if (!part(a.bytes(1), a.i64(2), length, &at)) return number(env, -EFAULT);
  if (!name_in(a.state->engine, a.i32(5), &n)) return number(env, -EINVAL);
  return number(env, os::retry([&] {
                  return syscall(SYS_sendto, fd, at, static_cast<size_t>(length), flags | MSG_DONTWAIT | MSG_NOSIGNAL,
                                 n.address, n.length);
                }));
}

// poll(fd, events, milliseconds): revents, 0 for none. The time may have a fraction, since it also
// serves short sleeps. EINTR is left to the caller, whose time goes on.
napi_value poll_(napi_env env, napi_callback_info info) {
  Call<3> a(env, info);
  pollfd p{a.fd(0), static_cast<short>(a.i32(1)), 0};
  double ms = a.f64(2);
  timespec limit{0, 0};
  if (ms > 0 && ms < 1e9) {
    limit.tv_sec = static_cast<time_t>(ms / 1000);
    limit.tv_nsec = static_cast<long>((ms - static_cast<double>(limit.tv_sec) * 1000) * 1e6);
  }
  int r = ms > 0 && p.fd >= 0 ? poll_busily(a.state->engine, &p) : 0;
  if (r == 0) r = ppoll(&p, 1, &limit, nullptr);
  return number(env, r < 0 ? -errno : p.revents);
}

// The memory of an Int32Array or Int16Array, when it holds `count` elements.
template <class Element>
Element *elements(napi_env env, napi_value array, napi_typedarray_type expected, size_t count) {
  napi_typedarray_type type;
  void *data = nullptr;
  size_t length = 0;
  if (napi_get_typedarray_info(env, array, &type, &length, &data, nullptr, nullptr) != napi_ok) return nullptr;
  return type == expected && length >= count ? static_cast<Element *>(data) : nullptr;
}

// pollmany(fds, events, revents, count, milliseconds): how many are ready, 0 for none. As in poll,
// EINTR is left to the caller.
napi_value pollmany(napi_env env, napi_callback_info info) {
  Call<5> a(env, info);
  int32_t count = a.i32(3);
  if (count < 0) return number(env, -EINVAL);
  size_t n = static_cast<size_t>(count);
  auto *fds = elements<int32_t>(env, a.argv[0], napi_int32_array, n);
  auto *events = elements<int16_t>(env, a.argv[1], napi_int16_array, n);
  auto *revents = elements<int16_t>(env, a.argv[2], napi_int16_array, n);
  if (n > 0 && (!fds || !events || !revents)) return number(env, -EFAULT);
  std::vector<pollfd> list(n);
  for (size_t i = 0; i < n; i++) list[i] = {fds[i], events[i], 0};
  int r = poll(list.data(), n, a.i32(4));
  if (r < 0) return number(env, -errno);
  for (size_t i = 0; i < n; i++) revents[i] = list[i].revents;
  return number(env, r);
}

// inheritable(fd, change): 1 or 0 as it is (change < 0), or sets it.
napi_value inheritable(napi_env env, napi_callback_info info) {
  Call<2> a(env, info);
  int fd = a.fd(0), change = a.i32(1), flags = fcntl(fd, F_GETFD);
  if (flags < 0) return number(env, -errno);
  if (change < 0) return number(env, !(flags & FD_CLOEXEC));
  flags = change ? flags & ~FD_CLOEXEC : flags | FD_CLOEXEC;
  return number(env, fcntl(fd, F_SETFD, flags) < 0 ? -errno : 0);
}

}  // namespace

const Function syscall_functions[] = {
    {"socket", socket_},
    {"socketpair", socketpair_},
    {"adopt", adopt},
    {"dup", dup_},
    {"close", close_},
    {"bind", bind_},
    {"connect", connect_},
    {"listen", listen_},
    {"accept", accept_},
    {"shutdown", shutdown_},
    {"getsockname", getsockname_},
    {"getpeername", getpeername_},
    {"getsockopt", getsockopt_},
    {"setsockopt", setsockopt_},
    {"attachFilter", attach_filter},
    {"recv", recv_},
    {"recvStream", recv_stream},
    {"recvfrom", recvfrom_},
    {"send", send_},
    {"sendto", sendto_},
    {"poll", poll_},
    {"pollmany", pollmany},
    {"inheritable", inheritable},
    {nullptr, nullptr},
};
