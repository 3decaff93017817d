// Datagrams in batches: recvmmsg and sendmmsg.
//
// A batch is received into an area of its own and then copied out tightly: the area's pages
// stay hot, and a datagram of 64 bytes does not pin a buffer of 64 KiB.
#include "engine.h"

namespace {

constexpr size_t BATCH = 4u << 20;
constexpr int MOST = 1024;   // UIO_MAXIOV: the kernel takes no more a call
constexpr int FIELDS = 4;    // receive: length, segment size, namelen, same as before; send: offset, length, name, namelen

// Lazily mapped: only pages that are used count.
struct Batch {
  mmsghdr messages[MOST];
  iovec vectors[MOST];
  alignas(8) uint8_t controls[MOST][CMSG_SPACE(sizeof(int))];
  alignas(64) uint8_t data[BATCH];
};

Batch *batch_of(Engine *e) {
  if (!e->batch) {
    void *area = mmap(nullptr, sizeof(Batch), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area != MAP_FAILED) e->batch = area;
  }
  return static_cast<Batch *>(e->batch);
}

size_t stride_of(int32_t bufsize) { return (static_cast<size_t>(bufsize) + 63) & ~size_t{63}; }

struct Meta {
  int32_t *at = nullptr;
  size_t count = 0;  // messages it has room for
};
Meta meta_of(napi_env env, napi_value v) {
  napi_typedarray_type type;
  size_t n = 0;
  void *data = nullptr;
  if (napi_get_typedarray_info(env, v, &type, &n, &data, nullptr, nullptr) != napi_ok || type != napi_int32_array)
    return {};
  return {static_cast<int32_t *>(data), n / FIELDS};
}

// With UDP_GRO the kernel hands over several datagrams of one size in one buffer (udp(7)).
int32_t segment_size(msghdr &h) {
  for (cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c))
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int size = 0;
      memcpy(&size, CMSG_DATA(c), sizeof size);
      return size;
    }
  return 0;
}

// recvmmsg(fd, count, bufsize, gro, meta, names): how many datagrams came, or -errno.
napi_value recvmmsg_(napi_env env, napi_callback_info info) {
  Call<6> a(env, info);
  Engine *e = a.state->engine;
  int fd = a.fd(0), count = a.i32(1), bufsize = a.i32(2);
  bool gro = a.i32(3) != 0;
  Meta meta = meta_of(env, a.argv[4]);
  Bytes names = a.bytes(5);
  if (count < 1 || bufsize < 0 || static_cast<size_t>(bufsize) > BATCH) return number(env, -EINVAL);
  Batch *b = batch_of(e);
  if (!b) return number(env, -ENOMEM);
  size_t stride = stride_of(bufsize), most = MOST;
  if (stride && BATCH / stride < most) most = BATCH / stride;
  if (meta.count < most) most = meta.count;
  if (names.size / NAME_SIZE < most) most = names.size / NAME_SIZE;
  if (static_cast<size_t>(count) < most) most = static_cast<size_t>(count);
  if (most == 0) return number(env, -EINVAL);

  for (size_t i = 0; i < most; i++) {
    b->vectors[i] = {b->data + i * stride, static_cast<size_t>(bufsize)};
    msghdr &h = b->messages[i].msg_hdr;
    h = {};
    h.msg_iov = &b->vectors[i];
    h.msg_iovlen = 1;
    h.msg_name = names.data + i * NAME_SIZE;
    h.msg_namelen = NAME_SIZE;
    if (gro) {
      h.msg_control = b->controls[i];
      h.msg_controllen = sizeof b->controls[i];
    }
  }
  // Without room for control data nothing can come with a descriptor; and AF_PACKET knows no MSG_CMSG_CLOEXEC.
  int flags = MSG_DONTWAIT | (gro ? MSG_CMSG_CLOEXEC : 0);
  long r = os::retry([&] { return syscall(SYS_recvmmsg, fd, b->messages, static_cast<unsigned>(most), flags, nullptr); });
  for (long i = 0; i < r; i++) {
    msghdr &h = b->messages[i].msg_hdr;
    int32_t *row = meta.at + i * FIELDS;
    row[0] = static_cast<int32_t>(b->messages[i].msg_len);
    row[1] = gro ? segment_size(h) : 0;
    row[2] = static_cast<int32_t>(h.msg_namelen < NAME_SIZE ? h.msg_namelen : NAME_SIZE);
    // The same sender as before: the caller decodes no address again.
    const uint8_t *name = names.data + i * NAME_SIZE;
    row[3] = i > 0 && row[2] == row[2 - FIELDS] && memcmp(name, name - NAME_SIZE, static_cast<size_t>(row[2])) == 0;
  }
  return number(env, r);
}

// unpack(into, from, to, bufsize, meta): copies datagrams [from, to) of the last batch, one
// behind the other. The bytes copied.
napi_value unpack(napi_env env, napi_callback_info info) {
  Call<5> a(env, info);
  Batch *b = static_cast<Batch *>(a.state->engine->batch);
  Bytes into = a.bytes(0);
  size_t stride = stride_of(a.i32(3)), used = 0;
  Meta meta = meta_of(env, a.argv[4]);
  for (int32_t i = a.i32(1), to = a.i32(2); b && i >= 0 && i < to && static_cast<size_t>(i) < meta.count; i++) {
    size_t n = static_cast<size_t>(meta.at[static_cast<size_t>(i) * FIELDS]);
    if (n > stride || n > into.size - used || (static_cast<size_t>(i) + 1) * stride > BATCH) break;
    if (n) memcpy(into.data + used, b->data + static_cast<size_t>(i) * stride, n);
    used += n;
  }
  return number(env, static_cast<int64_t>(used));
}

// sendmmsg(fd, count, data, meta, names): how many datagrams the kernel took, or -errno. A
// negative namelen sends to where the socket is connected.
napi_value sendmmsg_(napi_env env, napi_callback_info info) {
  Call<5> a(env, info);
  int fd = a.fd(0), count = a.i32(1);
  Bytes data = a.bytes(2), names = a.bytes(4);
  Meta meta = meta_of(env, a.argv[3]);
  Batch *b = batch_of(a.state->engine);
  if (!b) return number(env, -ENOMEM);
  if (count < 1 || count > MOST || static_cast<size_t>(count) > meta.count) return number(env, -EINVAL);
  for (int i = 0; i < count; i++) {
    const int32_t *row = meta.at + i * FIELDS;
    size_t offset = static_cast<uint32_t>(row[0]), length = static_cast<uint32_t>(row[1]);
    if (offset > data.size || length > data.size - offset) return number(env, -EFAULT);
    b->vectors[i] = {data.data + offset, length};
    msghdr &h = b->messages[i].msg_hdr;
    h = {};
    h.msg_iov = &b->vectors[i];
    h.msg_iovlen = 1;
    if (row[3] >= 0) {
      size_t name = static_cast<uint32_t>(row[2]), size = static_cast<uint32_t>(row[3]);
      if (name > names.size || size > names.size - name) return number(env, -EFAULT);
      h.msg_name = names.data + name;
      h.msg_namelen = static_cast<socklen_t>(size);
    }
  }
  return number(env, os::retry([&] {
                  return syscall(SYS_sendmmsg, fd, b->messages, static_cast<unsigned>(count), MSG_DONTWAIT | MSG_NOSIGNAL);
                }));
}

}  // namespace

void free_batch(Engine *e) {
  if (e->batch) munmap(e->batch, sizeof(Batch));
  e->batch = nullptr;
}

const Function batch_functions[] = {
    {"recvmmsg", recvmmsg_},
    {"unpack", unpack},
    {"sendmmsg", sendmmsg_},
    {nullptr, nullptr},
};
