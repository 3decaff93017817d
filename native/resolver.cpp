// Look-ups off the event loop, and ones that a thread blocks for: in slices, so that it can stop
// waiting when its time is up or it is to end, which it could not inside of the C library.
//
// Threads of our own, not napi_create_async_work: libuv joins its pool when the process
// exits and when a worker ends, so that a name server that does not answer would hold up
// process.exit() and worker.terminate() for as long as the C library waits for it (some
// ten seconds), even after the look-up was aborted; and its four threads are also the file
// system's. A thread here owns what it uses, and whoever asked may be gone.
#include "lookup.h"
#include "module.h"
#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>

namespace {

// More look-ups than this wait for a thread. A thread that cannot be called back from an
// abandoned look-up does not count, so that a dead name server is no reason to wait for a
// name that is in /etc/hosts; that in turn has an end somewhere.
constexpr int max_busy = 32;
constexpr int max_threads = 256;

}  // namespace

// Shared by one environment and its threads; the last to let go frees it.
struct Resolver {
  std::atomic<int> owners{0};
  std::mutex lock;
  // Held under `lock`:
  std::deque<Lookup *> queue;
  std::vector<Lookup *> running;
  std::vector<Lookup *> answered;  // waited for by `awaitLookup`, and not yet fetched
  int busy = 0;     // threads that somebody waits for
  int threads = 0;  // all of them
  // Set when the environment ends: from then on no thread may touch `deliver`.
  bool closed = false;
  napi_threadsafe_function deliver = nullptr;
  // Counts what came into `answered`: a futex, which needs no descriptor and sleeps by the
  // monotonic clock.
  std::atomic<uint32_t> arrivals{0};

  void release() {
    if (--owners == 0) delete this;
  }
  // Returns whether it was this call that closed it.
  bool close() {
    std::deque<Lookup *> left;
    std::vector<Lookup *> unclaimed;
    {
      std::lock_guard<std::mutex> hold(lock);
      if (closed) return false;
      closed = true;
      left.swap(queue);
      unclaimed.swap(answered);
    }
    for (Lookup *lookup : left) delete lookup;
    for (Lookup *lookup : unclaimed) delete lookup;
    return true;
  }
};

namespace {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t), "a futex is a 32-bit word");
// futex(2): these are what linux/futex.h calls FUTEX_WAIT_PRIVATE and FUTEX_WAKE_PRIVATE.
constexpr int futex_wait = 0 | 128;
constexpr int futex_wake = 1 | 128;

void *serve(void *data) {
  auto *resolver = static_cast<Resolver *>(data);
  std::unique_lock<std::mutex> hold(resolver->lock);
  while (true) {
    if (resolver->closed || resolver->queue.empty()) {
      resolver->busy--;
      break;
    }
    Lookup *lookup = resolver->queue.front();
    resolver->queue.pop_front();
    resolver->running.push_back(lookup);
    hold.unlock();
    lookup->ask();
    hold.lock();
    auto &running = resolver->running;
    running.erase(std::find(running.begin(), running.end(), lookup));
    if (lookup->abandoned) {
      delete lookup;
      if (resolver->busy >= max_busy) break;
      resolver->busy++;
    } else if (!resolver->closed && lookup->awaited()) {
      resolver->answered.push_back(lookup);
      resolver->arrivals++;
      syscall(SYS_futex, &resolver->arrivals, futex_wake, INT32_MAX, nullptr, nullptr, 0);
    } else if (resolver->closed ||
               napi_call_threadsafe_function(resolver->deliver, lookup, napi_tsfn_nonblocking) != napi_ok) {
      delete lookup;
    }
  }
  resolver->threads--;
  hold.unlock();
  resolver->release();
  return nullptr;
}

// The end of the last environment that loaded the addon unmaps it, with threads in it.
void stay_loaded() {
  Dl_info here;
  if (dladdr(reinterpret_cast<void *>(&serve), &here) && here.dli_fname)
    dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

// A thread for the queue, if there may be one more. The lock is held. 0, or the errno.
int add_thread(Resolver *resolver) {
  if (resolver->busy >= max_busy || resolver->threads >= max_threads) return 0;
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  // Signals are for the threads that were there before.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  resolver->owners++;
  int error = pthread_create(&thread, &detached, serve, resolver);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&detached);
  if (error) {
    resolver->owners--;
    return error;
  }
  resolver->busy++;
  resolver->threads++;
  return 0;
}

// 0 or -errno; owns the lookup either way.
int enqueue(Resolver *resolver, Lookup *lookup) {
  std::lock_guard<std::mutex> hold(resolver->lock);
  resolver->queue.push_back(lookup);
  int error = add_thread(resolver);
  if (error == 0 || resolver->threads > 0) return 0;
  resolver->queue.pop_back();
  delete lookup;
  return -error;
}

napi_value strings(napi_env env, const std::vector<std::string> &list, size_t from) {
  napi_value array = nullptr;
  napi_create_array(env, &array);
  for (size_t i = from; i < list.size(); i++)
    push(env, array, static_cast<uint32_t>(i - from), text(env, list[i].data(), list[i].size()));
  return array;
}

napi_value copy(napi_env env, const void *data, size_t size) {
  void *memory = nullptr;
  napi_value buffer = nullptr, array = nullptr;
  napi_create_arraybuffer(env, size, &memory, &buffer);
  if (memory && size) memcpy(memory, data, size);
  napi_create_typedarray(env, napi_uint8_array, size, buffer, 0, &array);
  return array;
}

napi_value answer(napi_env env, const Lookup &lookup) {
  if (lookup.failure) return number(env, lookup.failure);
  napi_value result = nullptr;
  switch (lookup.question) {
    case Question::address: {
      napi_create_array(env, &result);
      uint32_t n = 0;
      for (const addrinfo *row = lookup.rows; row; row = row->ai_next) {
        napi_value fields = nullptr;
        napi_create_array_with_length(env, 5, &fields);
        push(env, fields, 0, number(env, row->ai_family));
        push(env, fields, 1, number(env, row->ai_socktype));
        push(env, fields, 2, number(env, row->ai_protocol));
        push(env, fields, 3, text(env, row->ai_canonname ? row->ai_canonname : ""));
        push(env, fields, 4, copy(env, row->ai_addr, row->ai_addrlen));
        push(env, result, n++, fields);
      }
      return result;
    }
    case Question::name: return strings(env, lookup.names, 0);
    case Question::host_by_name:
    case Question::host_by_address:
      napi_create_array_with_length(env, 3, &result);
      push(env, result, 0, text(env, lookup.names[0].data(), lookup.names[0].size()));
      push(env, result, 1, strings(env, lookup.names, 1));
      push(env, result, 2, strings(env, lookup.addresses, 0));
      return result;
  }
  return number(env, EAI_FAIL);
}

// Runs on the environment's thread; without an environment when that is ending.
void on_answer(napi_env env, napi_value dispatch, void *, void *data) {
  auto *lookup = static_cast<Lookup *>(data);
  if (env && dispatch) {
    napi_value nothing = nullptr, argv[2] = {nullptr, answer(env, *lookup)};
    napi_get_undefined(env, &nothing);
    napi_create_double(env, lookup->id, &argv[0]);
    napi_call_function(env, nothing, dispatch, 2, argv, nullptr);
  }
  delete lookup;
}

// Cleanup hooks run in reverse order, so this one comes before the thread-safe function's
// own, and no thread is inside of that function any more when it goes.
void on_cleanup(void *data) {
  auto *resolver = static_cast<Resolver *>(data);
  if (resolver->close()) napi_release_threadsafe_function(resolver->deliver, napi_tsfn_abort);
  resolver->release();
}

void on_finalize(napi_env, void *data, void *) {
  auto *resolver = static_cast<Resolver *>(data);
  resolver->close();
  resolver->release();
}

// startResolver(dispatch): `dispatch(id, answer)` is called for every look-up that is done.
napi_value start_resolver(napi_env env, napi_callback_info info) {
  Call<1> c(env, info);
  if (c.state->resolver) return number(env, 0);
  auto *resolver = new Resolver;
  if (napi_create_threadsafe_function(env, c.argv[0], nullptr, text(env, "berkeley-sockets:names"), 0, 1, resolver,
                                      on_finalize, nullptr, on_answer, &resolver->deliver) != napi_ok) {
    delete resolver;
    return number(env, -EINVAL);
  }
  resolver->owners = 2;  // the two callbacks
  napi_unref_threadsafe_function(env, resolver->deliver);
  napi_add_env_cleanup_hook(env, on_cleanup, resolver);
  stay_loaded();
  c.state->resolver = resolver;
  return number(env, 0);
}

// holdResolver(hold): whether look-ups keep the process alive.
napi_value hold_resolver(napi_env env, napi_callback_info info) {
  Call<1> c(env, info);
  bool hold = false;
  napi_get_value_bool(env, c.argv[0], &hold);
  if (!c.state->resolver) return nullptr;
  if (hold) napi_ref_threadsafe_function(env, c.state->resolver->deliver);
  else napi_unref_threadsafe_function(env, c.state->resolver->deliver);
  return nullptr;
}

// An answer that `awaitLookup` is for, if it is there. The lock is held.
Lookup *take_answered(Resolver *resolver, double id) {
  auto &answered = resolver->answered;
  auto found = std::find_if(answered.begin(), answered.end(), [id](const Lookup *lookup) { return lookup->id == id; });
  if (found == answered.end()) return nullptr;
  Lookup *lookup = *found;
  answered.erase(found);
  return lookup;
}

// cancelLookup(id): one that no thread has begun is dropped, the place of another given away.
napi_value cancel_lookup(napi_env env, napi_callback_info info) {
  Call<1> c(env, info);
  Resolver *resolver = c.state->resolver;
  if (!resolver) return nullptr;
  double id = c.f64(0);
  auto is_it = [id](const Lookup *lookup) { return lookup->id == id; };
  std::lock_guard<std::mutex> hold(resolver->lock);
  auto queued = std::find_if(resolver->queue.begin(), resolver->queue.end(), is_it);
  if (queued != resolver->queue.end()) {
    delete *queued;
    resolver->queue.erase(queued);
    return nullptr;
  }
  auto running = std::find_if(resolver->running.begin(), resolver->running.end(), is_it);
  if (running != resolver->running.end()) {
    (*running)->abandoned = true;
    resolver->busy--;
    if (!resolver->queue.empty()) add_thread(resolver);
    return nullptr;
  }
  delete take_answered(resolver, id);
  return nullptr;
}

// awaitLookup(id, milliseconds): blocks until the answer is there, and gives it; undefined when the
// time has passed, and where the wait was interrupted.
napi_value await_lookup(napi_env env, napi_callback_info info) {
  Call<2> c(env, info);
  Resolver *resolver = c.state->resolver;
  if (!resolver) return nullptr;
  double id = c.f64(0);
  int32_t ms = c.i32(1);
  Lookup *lookup;
  uint32_t seen;
  {
    std::lock_guard<std::mutex> hold(resolver->lock);
    lookup = take_answered(resolver, id);
    seen = resolver->arrivals;
  }
  if (!lookup && ms > 0) {
    // Relative, by the monotonic clock (futex(2)).
    timespec limit{ms / 1000, (ms % 1000) * 1000000L};
    syscall(SYS_futex, &resolver->arrivals, futex_wait, seen, &limit, nullptr, 0);
    std::lock_guard<std::mutex> hold(resolver->lock);
    lookup = take_answered(resolver, id);
  }
  if (!lookup) return nullptr;
  napi_value result = answer(env, *lookup);
  delete lookup;
  return result;
}

template <Question question>
void read(Lookup &lookup, const Call<7> &c, size_t at) {
  lookup.question = question;
  if (question == Question::address) {
    lookup.has_host = c.text(at, lookup.host);
    lookup.has_service = c.text(at + 1, lookup.service);
    lookup.family = c.i32(at + 2);
    lookup.type = c.i32(at + 3);
    lookup.protocol = c.i32(at + 4);
    lookup.flags = c.i32(at + 5);
  } else if (question == Question::host_by_name) {
    lookup.has_host = c.text(at, lookup.host);
  } else {
    Bytes from = c.bytes(at);
    lookup.address_length = static_cast<socklen_t>(from.size < sizeof lookup.address ? from.size : sizeof lookup.address);
    if (from.data) memcpy(&lookup.address, from.data, lookup.address_length);
    lookup.flags = c.i32(at + 1);
  }
}

// question(id, …): 0 or -errno; the answer goes to `dispatch`, or for a negative id to `awaitLookup`.
template <Question question>
napi_value ask_later(napi_env env, napi_callback_info info) {
  Call<7> c(env, info);
  if (!c.state->resolver) return number(env, -EINVAL);
  auto *lookup = new Lookup;
  lookup->id = c.f64(0);
  read<question>(*lookup, c, 1);
  return number(env, enqueue(c.state->resolver, lookup));
}

// questionSync(…): the answer.
template <Question question>
napi_value ask_now(napi_env env, napi_callback_info info) {
  Call<7> c(env, info);
  Lookup lookup;
  read<question>(lookup, c, 0);
  lookup.ask();
  return answer(env, lookup);
}

}  // namespace

const Function lookup_functions[] = {
    {"startResolver", start_resolver},
    {"holdResolver", hold_resolver},
    {"cancelLookup", cancel_lookup},
    {"awaitLookup", await_lookup},
    {"getaddrinfo", ask_later<Question::address>},
    {"getaddrinfoSync", ask_now<Question::address>},
    {"getnameinfo", ask_later<Question::name>},
    {"getnameinfoSync", ask_now<Question::name>},
    {"gethostbyname", ask_later<Question::host_by_name>},
    {"gethostbynameSync", ask_now<Question::host_by_name>},
    {"gethostbyaddr", ask_later<Question::host_by_address>},
    {"gethostbyaddrSync", ask_now<Question::host_by_address>},
    {},
};
