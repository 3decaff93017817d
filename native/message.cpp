// Messages: sendmsg and recvmsg, with several buffers and control data.
//
// What stands in the control data is ancillary.ts's business, but for one thing: descriptors that
// came with a message are noted here until JavaScript says that its caller has them (keep). If it
// does not come to that, they are closed: by discard, by the next message, or with the environment.
#include "engine.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04
#endif

namespace {

constexpr size_t MOST = 1024;  // UIO_MAXIOV: the kernel takes no more buffers a call

// What recvmsg leaves in io[].
enum { IO_CONTROL, IO_FLAGS, IO_RECEIVED };

// The buffers of a message: a Uint8Array of which the first `length` bytes count, or an array of
// them whose sizes add up to `length`, as they do not when one was detached or resized meanwhile.
// How many they are, or -errno.
long buffers(napi_env env, napi_value value, int64_t length, iovec *to) {
  napi_typedarray_type type;
  void *data = nullptr;
  size_t size = 0;
  if (length < 0) return -EFAULT;
  if (napi_get_typedarray_info(env, value, &type, &size, &data, nullptr, nullptr) == napi_ok) {
    if (type != napi_uint8_array || static_cast<size_t>(length) > size) return -EFAULT;
    to[0] = {data, static_cast<size_t>(length)};
    return 1;
  }
  uint32_t count = 0;
  if (napi_get_array_length(env, value, &count) != napi_ok) return -EFAULT;
  if (count > MOST) return -EMSGSIZE;
  size_t left = static_cast<size_t>(length);
  for (uint32_t i = 0; i < count; i++) {
    napi_value each = nullptr;
    if (napi_get_element(env, value, i, &each) != napi_ok ||
        napi_get_typedarray_info(env, each, &type, &size, &data, nullptr, nullptr) != napi_ok ||
        type != napi_uint8_array || size > left)
      return -EFAULT;
    to[i] = {data, size};
    left -= size;
  }
  return left == 0 ? static_cast<long>(count) : -EFAULT;
}

// Notes the descriptors in what the kernel wrote into the control area (cmsg(3), unix(7)).
void note_received(Engine *e, const uint8_t *control, size_t length) {
  for (size_t at = 0; at + sizeof(cmsghdr) <= length;) {
    cmsghdr header;
    memcpy(&header, control + at, sizeof header);
    size_t size = header.cmsg_len;
    if (size < CMSG_LEN(0)) break;
    if (size > length - at) size = length - at;
    if (header.cmsg_level == SOL_SOCKET && (header.cmsg_type == SCM_RIGHTS || header.cmsg_type == SCM_PIDFD)) {
      for (size_t in = CMSG_LEN(0); in + sizeof(int) <= size && e->received_count < RECEIVED; in += sizeof(int))
        memcpy(&e->received[e->received_count++], control + at + in, sizeof(int));
    }
    at += CMSG_ALIGN(size);
  }
}

bool is_unix(int fd) {
  int family = AF_UNIX;
  socklen_t size = sizeof family;
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 || family == AF_UNIX;
}

// recvmsg(fd, buffers, length, control, room, flags): the bytes received; in io[] the length of the
// control data, the message's flags, and how many descriptors came; the sender in the peer area.
napi_value recvmsg_(napi_env env, napi_callback_info info) {
  Call<6> a(env, info);
  Engine *e = a.state->engine;
  iovec vectors[MOST];
  int fd = a.fd(0), flags = a.i32(5);
  long count = buffers(env, a.argv[1], a.i64(2), vectors);
  Bytes control = a.bytes(3);
  int64_t room = a.i64(4);
  if (count < 0) return number(env, count);
  if (room < 0 || static_cast<size_t>(room) > control.size) return number(env, -EINVAL);
  close_received(e);
  alignas(8) uint8_t from[NAME_SIZE];
  msghdr m{};
  auto receive = [&](int cloexec) {
    return os::retry([&] {
      m.msg_name = from;
      m.msg_namelen = sizeof from;
      m.msg_iov = vectors;
      m.msg_iovlen = static_cast<decltype(m.msg_iovlen)>(count);
      m.msg_control = room ? control.data : nullptr;
      m.msg_controllen = static_cast<decltype(m.msg_controllen)>(room);
      return syscall(SYS_recvmsg, fd, &m, flags | MSG_DONTWAIT | cloexec);
    });
  };
  long r = receive(MSG_CMSG_CLOEXEC);
  // AF_PACKET refuses the flag (net/packet/af_packet.c). Only AF_UNIX brings descriptors: never without it.
  if (r == -EINVAL && !is_unix(fd)) r = receive(0);
  if (r < 0) return number(env, r);
  size_t length = m.msg_controllen < static_cast<size_t>(room) ? m.msg_controllen : static_cast<size_t>(room);
  if (length) note_received(e, control.data, length);
  note_peer(e, from, m.msg_namelen);
  e->io[IO_CONTROL] = static_cast<int32_t>(length);
  // Of the two, only what the caller asked for is said back to it.
  e->io[IO_FLAGS] = m.msg_flags & (flags | ~MSG_CMSG_CLOEXEC);
  e->io[IO_RECEIVED] = static_cast<int32_t>(e->received_count);
  return number(env, r);
}

// keep(): the descriptors of the last message have an owner.
napi_value keep(napi_env env, napi_callback_info info) {
  Call<0> a(env, info);
  a.state->engine->received_count = 0;
  return nullptr;
}

// discard(): nobody will have them.
napi_value discard(napi_env env, napi_callback_info info) {
  Call<0> a(env, info);
  close_received(a.state->engine);
  return nullptr;
}

constexpr int NO_NAME = -2;

// sendmsg(fd, buffers, length, control | null, flags, namelen): to the name area's address; to the
// peer area's with a namelen of -1; to where the socket is connected with one of -2.
napi_value sendmsg_(napi_env env, napi_callback_info info) {
  Call<6> a(env, info);
  iovec vectors[MOST];
  int fd = a.fd(0), flags = a.i32(4), namelen = a.i32(5);
  long count = buffers(env, a.argv[1], a.i64(2), vectors);
  if (count < 0) return number(env, count);
  Bytes control = a.bytes(3);
  Name name{nullptr, 0};
  if (namelen != NO_NAME && !name_in(a.state->engine, namelen, &name)) return number(env, -EINVAL);
  msghdr m{};
  m.msg_name = name.address;
  m.msg_namelen = name.length;
  m.msg_iov = vectors;
  m.msg_iovlen = static_cast<decltype(m.msg_iovlen)>(count);
  m.msg_control = control.size ? control.data : nullptr;
  m.msg_controllen = static_cast<decltype(m.msg_controllen)>(control.size);
  return number(env, os::retry([&] { return syscall(SYS_sendmsg, fd, &m, flags | MSG_DONTWAIT | MSG_NOSIGNAL); }));
}

}  // namespace

void close_received(Engine *e) {
  while (e->received_count > 0) close(e->received[--e->received_count]);
}

const Function message_functions[] = {
    {"recvmsg", recvmsg_},
    {"keep", keep},
    {"discard", discard},
    {"sendmsg", sendmsg_},
    {nullptr, nullptr},
};
