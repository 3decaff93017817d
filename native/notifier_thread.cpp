// Wakes a runtime without libuv: a thread sleeps on the inner epoll and calls back through a
// thread-safe function. Slower by two thread switches a turn, and the same in everything else.
#include <atomic>

#include "engine.h"

namespace {

struct ThreadNotifier : Notifier {
  Engine *engine = nullptr;
  void (*wake)(Engine *) = nullptr;
  napi_threadsafe_function call = nullptr;
  int quit = -1;
  int epoll = -1;
  // pthreads: the classes of the C++ library are calls into libstdc++, which the shipped
  // binary does without (scripts/portable.cpp).
  pthread_t thread;
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
  bool in_turn = false;
  std::atomic<bool> stopping{false};

  bool start(Engine *e, void (*on_wake)(Engine *)) override {
    engine = e;
    wake = on_wake;
    epoll = e->epoll;
    quit = eventfd(0, EFD_CLOEXEC);
    napi_env env = e->env->env;
    if (quit < 0 || napi_create_threadsafe_function(env, nullptr, nullptr, text(env, "berkeley-sockets"), 0, 1, nullptr,
                                                    on_gone, this, on_call, &call) != napi_ok) {
      if (quit >= 0) ::close(quit);
      delete this;
      return false;
    }
    napi_unref_threadsafe_function(env, call);
    auto body = [](void *self) -> void * {
      static_cast<ThreadNotifier *>(self)->run();
      return nullptr;
    };
    if (pthread_create(&thread, nullptr, body, this) == 0) return true;
    ::close(quit);
    napi_release_threadsafe_function(call, napi_tsfn_abort);  // on_gone deletes
    return false;
  }

  static void on_call(napi_env env, napi_value, void *context, void *) {
    // Calls that are still queued at the end come without an environment; Node makes them when
    // on_gone has been called.
    if (!env) return;
    auto *self = static_cast<ThreadNotifier *>(context);
    if (!self->stopping) self->wake(self->engine);
    pthread_mutex_lock(&self->mutex);
    self->in_turn = false;
    pthread_mutex_unlock(&self->mutex);
    pthread_cond_signal(&self->turned);
  }

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
      pthread_mutex_lock(&mutex);
      in_turn = true;
      pthread_mutex_unlock(&mutex);
      if (napi_call_threadsafe_function(call, nullptr, napi_tsfn_blocking) != napi_ok) return;
      pthread_mutex_lock(&mutex);
      while (in_turn && !stopping) pthread_cond_wait(&turned, &mutex);
      pthread_mutex_unlock(&mutex);
    }
  }

  void reference(bool on) override {
    napi_env env = engine->env->env;
    on ? napi_ref_threadsafe_function(env, call) : napi_unref_threadsafe_function(env, call);
  }

  void close(void (*done)(void *), void *data) override {
    pthread_mutex_lock(&mutex);
    stopping = true;
    pthread_mutex_unlock(&mutex);
    uint64_t one = 1;
    if (write(quit, &one, sizeof one) < 0) { /* an eventfd that is not full cannot refuse */
    }
    pthread_cond_signal(&turned);
    pthread_join(thread, nullptr);
    ::close(quit);
    napi_release_threadsafe_function(call, napi_tsfn_abort);
    done(data);
  }
};

}  // namespace

Notifier *notifier_thread() { return new ThreadNotifier; }
