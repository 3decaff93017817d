// What the rooms of the addon share of the engine: the tables that JavaScript and native
// code both see, and the memory that receives go to.
#pragma once
#include "module.h"

// Bits of flags[slot]. The same numbers stand in src/engine.ts.
enum : uint8_t {
  READABLE = 1,   // a read may succeed; cleared by EAGAIN, or by a short read of a SHORT socket
  WRITABLE = 2,   // likewise for a write
  HUP = 4,        // the end (or an error) was seen: no further edge comes for it
  STREAM = 8,     // a byte stream: a read may ask for less than the caller allows
  SHORT = 16,     // a read shorter than asked emptied the queue
  BIG = 32,       // the last read was large: the next one gets memory of the larger class
  WATCHED = 64,   // registered with the inner epoll
  ANCILLARY = 128 // AF_UNIX: a read also ends where descriptors or credentials were attached
};

// Bits of want[slot].
enum : uint8_t { WANT_RECV = 1, WANT_READ = 2, WANT_WRITE = 4, WANT_PRI = 8 };

// Places in io[]: registers between one native call and its caller.
enum {
  IO_OFFSET,
  IO_SLAB,
  IO_SEQUENCE,
  IO_NAMELEN,
  IO_PEERLEN,
  IO_SAME,
  IO_PENDING,
  IO_REFERENCED,
  IO_IN_TURN,
  IO_BORN,
  IO_BORN_TOO,
  IO_COUNT
};

constexpr size_t NAME_SIZE = 128;  // sizeof(struct sockaddr_storage)
constexpr size_t RECEIVED = 256;   // more than a message can bring: SCM_MAX_FD is 253 (unix(7))

constexpr int SMALL_ASK = 16384;
constexpr int SMALL_RESULT = 8192;
constexpr int BIG_ASK = 262144;

struct Area {
  uint8_t *data = nullptr;
  size_t size = 0;
  size_t used = 0;
};

// One class of receive memory: the area in use and the one that follows it.
struct Slab {
  Area current, next;
  int32_t sequence = 0;  // counts the areas, so that JavaScript can tell which one a record means
};

struct Notifier;

struct Engine {
  Env *env = nullptr;
  int epoll = -1;
  bool closing = false;

  // Tables, an entry a slot; JavaScript owns the memory and replaces it as it grows.
  size_t slots = 0;
  int32_t *fds = nullptr;
  int32_t *generations = nullptr;
  int32_t *asks = nullptr;  // bytes that a waiting recv() allows
  uint8_t *flags = nullptr;
  uint8_t *want = nullptr;

  int32_t *io = nullptr;
  Bytes name;  // a socket address on its way in or out
  Bytes peer;  // the address of the last recvfrom
  int32_t *records = nullptr;
  size_t records_size = 0;
  Bytes ring;
  int32_t *ring_records = nullptr;
  size_t ring_records_size = 0;

  Slab slabs[2];
  uint8_t *scratch = nullptr;  // one whole datagram, before it is copied to where its size belongs
  void *batch = nullptr;       // the datagrams of one recvmmsg: batch.cpp

  // Descriptors of the last message, until they have an owner: message.cpp.
  int received[RECEIVED];
  size_t received_count = 0;

  napi_ref held[12] = {};  // keeps the arrays above alive
  napi_ref dispatch = nullptr;
  Notifier *notifier = nullptr;
  int64_t busy_poll_ns = 0;
};

// One receive for recv(n) without flags: bytes with their place in io[], -errno, or NO_SLAB when
// the areas at hand are spent.
constexpr long NO_SLAB = -100000;
long receive_slab(Engine *engine, uint32_t slot, int n);

// The size of engine->scratch: the largest datagram that recv() takes without memory of its own.
constexpr size_t SCRATCH = 65536;

// Polls one descriptor without a rest for as long as setBusyPoll said: poll(2)'s result, 0 for nothing.
int poll_busily(Engine *engine, pollfd *p);

// Unmaps engine->batch.
void free_batch(Engine *engine);

// Notes a descriptor that was just made and is in no slot yet: a worker can be terminated between
// the call and the line that puts it there.
inline void born(Engine *engine, int which, long fd) {
  if (fd >= 0 && engine->io) engine->io[which] = static_cast<int32_t>(fd);
}

// An address on its way out: `length` bytes of the name area, or with a negative length the peer
// area's. False for a length that does not fit.
struct Name {
  sockaddr *address;
  socklen_t length;
};
inline bool name_in(Engine *e, int32_t length, Name *out) {
  if (length < 0) {
    *out = {reinterpret_cast<sockaddr *>(e->peer.data), static_cast<socklen_t>(e->io[IO_PEERLEN])};
    return true;
  }
  if (static_cast<size_t>(length) > e->name.size) return false;
  *out = {reinterpret_cast<sockaddr *>(e->name.data), static_cast<socklen_t>(length)};
  return true;
}

// Leaves a descriptor to whoever claims it with the ticket that this returns; until then it is closed
// with its environment: transit.cpp.
int64_t offer_descriptor(const Env *from, int fd);
void close_offers(const Env *from);

// Closes the descriptors that came with a message and have no owner: message.cpp.
void close_received(Engine *engine);

// Remembers a datagram's sender in engine->peer and says whether it is the same as before.
void note_peer(Engine *engine, const void *name, socklen_t length);

// --- how the engine wakes the event loop: notifier_*.cpp ------------------------------

struct Notifier {
  virtual ~Notifier() {}
  // Starts to call wake(engine) on the environment's thread whenever engine->epoll is readable.
  // On failure it deletes itself.
  virtual bool start(Engine *engine, void (*wake)(Engine *)) = 0;
  // A referenced notifier keeps the event loop alive.
  virtual void reference(bool on) = 0;
  // Stops, and calls done(data) once nothing of it is left in the loop; then deletes itself.
  virtual void close(void (*done)(void *), void *data) = 0;
};

Notifier *notifier_uv();
Notifier *notifier_thread();
