// Wakes a runtime without libuv: a thread sleeps on the inner epoll and calls back through a
// thread-safe function. Slower by two thread switches a turn, and the same in everything else.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <sys/eventfd.h>
#include <thread>

#include "engine.h"

namespace {

struct ThreadNotifier : Notifier {
  Engine *engine = nullptr;
  void (*wake)(Engine *) = nullptr;
  napi_threadsafe_function call = nullptr;
  int quit = -1;
  int epoll = -1;
  std::thread thread;
  std::mutex mutex;
  std::condition_variable turned;
  bool in_turn = false;
  std::atomic<bool> stopping{false};

  bool start(Engine *e, void (*on_wake)(Engine *)) override {
    engine = e;
    wake = on_wake;
    epoll = e->epoll;
    quit = eventfd(0, EFD_CLOEXEC);
    if (quit < 0) return false;
    napi_env env = e->env->env;
    if (napi_create_threadsafe_function(env, nullptr, nullptr, text(env, "berkeley-sockets"), 0, 1, nullptr, on_gone,
                                        this, on_call, &call) != napi_ok) {
      ::close(quit);
      return false;
    }
    napi_unref_threadsafe_function(env, call);
    thread = std::thread([this] { run(); });
    return true;
  }

  static void on_call(napi_env env, napi_value, void *context, void *) {
    auto *self = static_cast<ThreadNotifier *>(context);
    if (env && !self->stopping) self->wake(self->engine);
    {
      std::lock_guard<std::mutex> lock(self->mutex);
      self->in_turn = false;
    }
    self->turned.notify_one();
  }

  // Calls that were still queued come before this, without an environment.
  static void on_gone(napi_env, void *, void *context) { delete static_cast<ThreadNotifier *>(context); }

  void run() {
    // Signals are the main thread's business.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pollfd fds[2] = {{epoll, POLLIN, 0}, {quit, POLLIN, 0}};
    while (!stopping) {
      if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
      if (fds[1].revents || stopping) return;
      if (!(fds[0].revents & POLLIN)) continue;
      {
        std::lock_guard<std::mutex> lock(mutex);
        in_turn = true;
      }
      if (napi_call_threadsafe_function(call, nullptr, napi_tsfn_blocking) != napi_ok) return;
      std::unique_lock<std::mutex> lock(mutex);
      turned.wait(lock, [this] { return !in_turn || stopping; });
    }
  }

  void reference(bool on) override {
    napi_env env = engine->env->env;
    on ? napi_ref_threadsafe_function(env, call) : napi_unref_threadsafe_function(env, call);
  }

  void close(void (*done)(void *), void *data) override {
    {
      std::lock_guard<std::mutex> lock(mutex);
      stopping = true;
    }
    uint64_t one = 1;
    if (write(quit, &one, sizeof one) < 0) { /* an eventfd that is not full cannot refuse */
    }
    turned.notify_one();
    thread.join();
    ::close(quit);
    napi_release_threadsafe_function(call, napi_tsfn_abort);
    done(data);
  }
};

}  // namespace

Notifier *notifier_thread() { return new ThreadNotifier; }
