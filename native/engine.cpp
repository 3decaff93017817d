// Readiness: one inner epoll an environment, edge-triggered, read by one turn after another.
//
// A socket is registered once, for everything, when it first has to wait; there is no
// epoll_ctl an operation. What the kernel said last is kept in flags[], which JavaScript
// reads without a call; EAGAIN takes it back. A lost edge would be a hang, so the rule is:
// a flag is cleared only by a call that proved the queue empty *after* the edge that set it
// was taken from epoll; an edge that comes later stays in epoll for the next turn.
//
// The event loop watches the inner epoll level-triggered, through a notifier. In a turn the
// native side does one receive for each socket whose recv() waits, and hands everything to
// JavaScript in one call. Nothing is received that no caller waits for.
#include "engine.h"

namespace {

constexpr int EVENTS_A_TURN = 256;
constexpr int RECORD = 6;  // slot, kind, result, offset, slab, sequence
constexpr int BUSY_TURNS = 64;  // a busy-polling engine still lets the event loop run

enum { KIND_RECV = 1, KIND_READ = 2, KIND_WRITE = 3 };

// The records of one turn.
struct Batch {
  Engine *e;
  int32_t count = 0;
  void add(uint32_t slot, int kind, long result) {
    int32_t *r = e->records + 1 + count * RECORD;
    r[0] = static_cast<int32_t>(slot);
    r[1] = kind;
    r[2] = static_cast<int32_t>(result);
    r[3] = e->io[IO_OFFSET];
    r[4] = e->io[IO_SLAB];
    r[5] = e->io[IO_SEQUENCE];
    count++;
  }
};

void note_event(Batch &batch, uint32_t events, uint32_t slot) {
  Engine *e = batch.e;
  uint8_t f = e->flags[slot];
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) f |= READABLE;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) f |= WRITABLE;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) f |= HUP;
  // A read stops in front of urgent data: from here on a short read proves nothing.
  if (events & EPOLLPRI) f &= static_cast<uint8_t>(~SHORT);
  e->flags[slot] = f;
  uint8_t w = e->want[slot];
  if ((w & WANT_RECV) && (f & READABLE)) {
    long r = receive_slab(e, slot, e->asks[slot]);
    if (r != -EAGAIN) {
      w &= static_cast<uint8_t>(~WANT_RECV);
      // Out of receive memory for this turn: JavaScript receives it itself.
      batch.add(slot, r == NO_SLAB ? KIND_READ : KIND_RECV, r);
    }
  }
  bool urgent = (w & WANT_PRI) && (events & (EPOLLPRI | EPOLLHUP | EPOLLERR));
  if (urgent || ((w & WANT_READ) && (f & READABLE))) {
    w &= static_cast<uint8_t>(~(WANT_READ | WANT_PRI));
    batch.add(slot, KIND_READ, 0);
  }
  if ((w & WANT_WRITE) && (f & WRITABLE)) {
    w &= static_cast<uint8_t>(~WANT_WRITE);
    batch.add(slot, KIND_WRITE, 0);
  }
  e->want[slot] = w;
}

void call_dispatch(Engine *e) {
  napi_env env = e->env->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value global, dispatch, result;
  napi_get_global(env, &global);
  napi_get_reference_value(env, e->dispatch, &dispatch);
  // make_callback, not call_function: it drains the microtasks, so that what the awaiting
  // code does next happens within this turn.
  if (napi_make_callback(env, nullptr, global, dispatch, 0, nullptr, &result) == napi_pending_exception) {
    napi_value error;
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

bool turn_once(Engine *e) {
  epoll_event events[EVENTS_A_TURN];
  int n = epoll_wait(e->epoll, events, EVENTS_A_TURN, 0);
  Batch batch{e};
  for (int i = 0; i < n; i++) {
    uint32_t slot = static_cast<uint32_t>(events[i].data.u64);
    int32_t generation = static_cast<int32_t>(events[i].data.u64 >> 32);
    if (slot < e->slots && e->generations[slot] == generation) note_event(batch, events[i].events, slot);
  }
  if (!batch.count) return false;
  e->records[0] = batch.count;
  call_dispatch(e);
  return true;
}

void sync_reference(Engine *e) {
  int32_t on = e->io[IO_PENDING] > 0;
  if (on == e->io[IO_REFERENCED] || !e->notifier) return;
  e->io[IO_REFERENCED] = on;
  e->notifier->reference(on);
}

int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<int64_t>(t.tv_sec) * 1000000000 + t.tv_nsec;
}

void wake(Engine *e) {
  if (e->closing || !e->io) return;
  e->io[IO_IN_TURN] = 1;
  turn_once(e);
  if (e->busy_poll_ns > 0) {
    int64_t until = now_ns() + e->busy_poll_ns;
    for (int turns = 0; turns < BUSY_TURNS && !e->closing && e->io[IO_PENDING] > 0;) {
      if (turn_once(e)) {
        turns++;
        until = now_ns() + e->busy_poll_ns;
      } else if (now_ns() >= until) {
        break;
      }
    }
  }
  e->io[IO_IN_TURN] = 0;
  if (!e->closing) sync_reference(e);
}

template <class T>
T *hold(napi_env env, napi_value array, napi_ref *ref, size_t *length) {
  void *data = nullptr;
  napi_typedarray_type type;
  if (*ref) napi_delete_reference(env, *ref);
  *ref = nullptr;
  if (napi_get_typedarray_info(env, array, &type, length, &data, nullptr, nullptr) != napi_ok ||
      type != (sizeof(T) == 1 ? napi_uint8_array : napi_int32_array)) {
    *length = 0;
    return nullptr;
  }
  napi_create_reference(env, array, 1, ref);
  return static_cast<T *>(data);
}

// attach(io, name, peer, records, ring, ringRecords, dispatch): the memory that both sides see.
napi_value attach(napi_env env, napi_callback_info info) {
  Call<7> a(env, info);
  Engine *e = a.state->engine;
  size_t registers;
  e->io = hold<int32_t>(env, a.argv[0], &e->held[0], &registers);
  e->name.data = hold<uint8_t>(env, a.argv[1], &e->held[1], &e->name.size);
  e->peer.data = hold<uint8_t>(env, a.argv[2], &e->held[2], &e->peer.size);
  e->records = hold<int32_t>(env, a.argv[3], &e->held[3], &e->records_size);
  e->ring.data = hold<uint8_t>(env, a.argv[4], &e->held[4], &e->ring.size);
  e->ring_records = hold<int32_t>(env, a.argv[5], &e->held[5], &e->ring_records_size);
  napi_create_reference(env, a.argv[6], 1, &e->dispatch);
  // An event can end a recv(), wake a reader behind it, and wake a writer.
  bool fits = e->io && registers >= IO_COUNT && e->name.size >= NAME_SIZE && e->peer.size >= NAME_SIZE &&
              e->ring.data && e->ring_records && e->records_size >= 1 + EVENTS_A_TURN * 3 * RECORD;
  if (!fits) e->io = nullptr;
  return number(env, fits ? 0 : -EINVAL);
}

// tables(fds, generations, asks, flags, want): replaces the tables with larger ones.
napi_value tables(napi_env env, napi_callback_info info) {
  Call<5> a(env, info);
  Engine *e = a.state->engine;
  size_t n[5] = {};
  e->fds = hold<int32_t>(env, a.argv[0], &e->held[6], &n[0]);
  e->generations = hold<int32_t>(env, a.argv[1], &e->held[7], &n[1]);
  e->asks = hold<int32_t>(env, a.argv[2], &e->held[8], &n[2]);
  e->flags = hold<uint8_t>(env, a.argv[3], &e->held[9], &n[3]);
  e->want = hold<uint8_t>(env, a.argv[4], &e->held[10], &n[4]);
  e->slots = n[0];
  for (size_t size : n)
    if (size < e->slots) e->slots = size;
  return nullptr;
}

// slab(which, buffer): the next area of receive memory of a class. JavaScript keeps it alive.
napi_value slab(napi_env env, napi_callback_info info) {
  Call<2> a(env, info);
  Bytes b = a.bytes(1);
  Slab &s = a.state->engine->slabs[a.i32(0) != 0];
  // Whole words, in which what is used of it is counted.
  (s.current.data ? s.next : s.current) = Area{b.data, b.size & ~size_t{7}, 0};
  return nullptr;
}

// A closed socket has slot -1, which is in no table.
bool in_tables(Engine *e, uint32_t slot) { return slot < e->slots; }

// receive(slot, n): bytes received into the slab, the place in io[]; or -errno.
napi_value receive_now(napi_env env, napi_callback_info info) {
  Call<2> a(env, info);
  Engine *e = a.state->engine;
  uint32_t slot = static_cast<uint32_t>(a.i32(0));
  int32_t n = a.i32(1);
  return number(env, in_tables(e, slot) && n >= 0 ? receive_slab(e, slot, n) : -EBADF);
}

// receiveWithin(slot, n, ms): as receive; where nothing is there it waits for so long. One call in place
// of three for a blocking socket that asks and is answered.
napi_value receive_within(napi_env env, napi_callback_info info) {
  Call<3> a(env, info);
  Engine *e = a.state->engine;
  uint32_t slot = static_cast<uint32_t>(a.i32(0));
  int32_t n = a.i32(1);
  if (!in_tables(e, slot) || n < 0) return number(env, -EBADF);
  // A short read has emptied the queue: mostly there is nothing yet, and poll(2) is asked first.
  long r = e->flags[slot] & READABLE ? receive_slab(e, slot, n) : -EAGAIN;
  pollfd p{e->fds[slot], POLLIN, 0};
  if (r == -EAGAIN && (poll_busily(e, &p) > 0 || poll(&p, 1, a.i32(2)) > 0)) {
    e->flags[slot] |= READABLE;
    r = receive_slab(e, slot, n);
  }
  return number(env, r);
}

// watch(slot): registers the slot's descriptor. 0 or -errno.
napi_value watch(napi_env env, napi_callback_info info) {
  Call<1> a(env, info);
  Engine *e = a.state->engine;
  uint32_t slot = static_cast<uint32_t>(a.i32(0));
  if (!in_tables(e, slot)) return number(env, -EBADF);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
  event.data.u64 = slot | static_cast<uint64_t>(static_cast<uint32_t>(e->generations[slot])) << 32;
  int r = epoll_ctl(e->epoll, EPOLL_CTL_ADD, e->fds[slot], &event);
  if (r == 0) e->flags[slot] |= WATCHED;
  return number(env, r < 0 ? -errno : 0);
}

// release(slot, end): takes the slot's descriptor out of the table, and closes it (1), leaves it open
// (0), or offers it to other threads (2), whose ticket it returns. A dup of it would keep the registration alive, hence the
// EPOLL_CTL_DEL. The result of close(2) other than EBADF means nothing: the number is free.
napi_value release(napi_env env, napi_callback_info info) {
  Call<2> a(env, info);
  Engine *e = a.state->engine;
  uint32_t slot = static_cast<uint32_t>(a.i32(0));
  if (!in_tables(e, slot)) return number(env, -EBADF);
  int fd = e->fds[slot];
  if (e->flags[slot] & WATCHED) {
    epoll_event event{};
    epoll_ctl(e->epoll, EPOLL_CTL_DEL, fd, &event);
  }
  e->fds[slot] = -1;
  e->flags[slot] = 0;
  e->want[slot] = 0;
  e->generations[slot]++;
  int end = a.i32(1);
  if (end == 2) return number(env, offer_descriptor(a.state, fd));
  if (end == 1 && close(fd) < 0 && errno != EINTR) return number(env, -errno);
  return number(env, 0);
}

// flush(count): the small sends gathered in the ring; each record's length becomes its result.
napi_value flush(napi_env env, napi_callback_info info) {
  Call<1> a(env, info);
  Engine *e = a.state->engine;
  size_t count = static_cast<size_t>(a.i32(0));
  for (size_t i = 0; i < count && (i + 1) * 3 <= e->ring_records_size; i++) {
    int32_t *r = e->ring_records + i * 3;
    size_t offset = static_cast<uint32_t>(r[1]), length = static_cast<uint32_t>(r[2]);
    uint32_t slot = static_cast<uint32_t>(r[0]);
    if (!in_tables(e, slot) || offset > e->ring.size || length > e->ring.size - offset) {
      r[2] = -EBADF;
      continue;
    }
    int fd = e->fds[slot];
    const uint8_t *from = e->ring.data + offset;
    r[2] = static_cast<int32_t>(
        os::retry([&] { return syscall(SYS_sendto, fd, from, length, MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0); }));
  }
  return nullptr;
}

// reference(): makes the event loop wait for the engine as long as something is pending.
napi_value reference(napi_env env, napi_callback_info info) {
  Call<0> a(env, info);
  sync_reference(a.state->engine);
  return nullptr;
}

napi_value busy_poll(napi_env env, napi_callback_info info) {
  Call<1> a(env, info);
  a.state->engine->busy_poll_ns = static_cast<int64_t>(a.f64(0) * 1e9);
  return nullptr;
}

// start(thread): begins to watch, with the notifier of the runtime at hand. 0 or -errno.
napi_value start(napi_env env, napi_callback_info info) {
  Call<1> a(env, info);
  Engine *e = a.state->engine;
  if (e->notifier) return number(env, 0);
  if (e->epoll < 0) return number(env, -EMFILE);
  Notifier *n = a.i32(0) ? notifier_thread() : notifier_uv();
  if (!n->start(e, wake)) return number(env, -ENOSYS);
  e->notifier = n;
  return number(env, 0);
}

struct Closing {
  Env *env;
  void (*done)(void *);
  void *data;
};

}  // namespace

void note_peer(Engine *e, const void *name, socklen_t length) {
  size_t n = length < e->peer.size ? length : e->peer.size;
  bool same = e->io[IO_PEERLEN] == static_cast<int32_t>(n) && memcmp(e->peer.data, name, n) == 0;
  e->io[IO_SAME] = same;
  if (same) return;
  memcpy(e->peer.data, name, n);
  e->io[IO_PEERLEN] = static_cast<int32_t>(n);
}

int poll_busily(Engine *e, pollfd *p) {
  int r = 0;
  if (e->busy_poll_ns <= 0) return r;
  for (int64_t until = now_ns() + e->busy_poll_ns; r == 0 && now_ns() < until;) r = poll(p, 1, 0);
  return r;
}

void engine_create(Env *env) {
  auto *e = new Engine;
  e->env = env;
  e->epoll = epoll_create1(EPOLL_CLOEXEC);
  void *area = mmap(nullptr, SCRATCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  e->scratch = area == MAP_FAILED ? nullptr : static_cast<uint8_t *>(area);
  env->engine = e;
}

void engine_destroy(Env *env, void (*done)(void *), void *data) {
  Engine *e = env->engine;
  e->closing = true;
  int32_t born[2] = {e->io ? e->io[IO_BORN] : -1, e->io ? e->io[IO_BORN_TOO] : -1};
  for (size_t slot = 0; slot < e->slots; slot++) {
    int fd = e->fds[slot];
    if (fd < 0) continue;
    close(fd);
    for (int32_t &each : born)
      if (each == fd) each = -1;
  }
  for (int32_t each : born)
    if (each >= 0) close(each);
  close_received(e);
  close_offers(env);
  e->slots = 0;
  auto *closing = new Closing{env, done, data};
  auto finish = [](void *arg) {
    auto *c = static_cast<Closing *>(arg);
    Engine *engine = c->env->engine;
    if (engine->epoll >= 0) close(engine->epoll);
    if (engine->scratch) munmap(engine->scratch, SCRATCH);
    free_batch(engine);
    delete engine;
    c->env->engine = nullptr;
    c->done(c->data);
    delete c;
  };
  if (e->notifier) e->notifier->close(finish, closing);
  else finish(closing);
}

const Function engine_functions[] = {
    {"attach", attach},   {"tables", tables},       {"slab", slab},          {"receive", receive_now},
    {"receiveWithin", receive_within},
    {"watch", watch},     {"release", release},     {"flush", flush},        {"reference", reference},
    {"start", start},     {"busyPoll", busy_poll},  {nullptr, nullptr},
};
