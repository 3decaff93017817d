// Wakes Node's event loop through libuv. Its functions are looked up at run time, so that
// the binary also loads where there is no libuv.
#include "engine.h"

namespace {

// The part of uv.h that is used: handles are opaque, their size is asked for.
struct Library {
  int (*poll_init)(void *loop, void *handle, int fd) = nullptr;
  int (*poll_start)(void *handle, int events, void (*)(void *, int, int)) = nullptr;
  int (*poll_stop)(void *handle) = nullptr;
  void (*close)(void *handle, void (*)(void *)) = nullptr;
  void (*ref)(void *handle) = nullptr;
  void (*unref)(void *handle) = nullptr;
  size_t (*handle_size)(int type) = nullptr;
  void (*handle_set_data)(void *handle, void *data) = nullptr;
  void *(*handle_get_data)(const void *handle) = nullptr;
  napi_status (*event_loop)(napi_env, void **) = nullptr;

  bool find() {
    auto get = [](auto &f, const char *name) {
      f = reinterpret_cast<std::remove_reference_t<decltype(f)>>(dlsym(RTLD_DEFAULT, name));
      return f != nullptr;
    };
    return get(poll_init, "uv_poll_init") && get(poll_start, "uv_poll_start") && get(poll_stop, "uv_poll_stop") &&
           get(close, "uv_close") && get(ref, "uv_ref") && get(unref, "uv_unref") &&
           get(handle_size, "uv_handle_size") && get(handle_set_data, "uv_handle_set_data") &&
           get(handle_get_data, "uv_handle_get_data") && get(event_loop, "napi_get_uv_event_loop");
  }
};

constexpr int POLL = 8;      // UV_POLL in uv_handle_type: part of libuv's ABI since 1.0
constexpr int READABLE_ = 1; // UV_READABLE

struct UvNotifier : Notifier {
  Library uv;
  void *handle = nullptr;
  Engine *engine = nullptr;
  void (*wake)(Engine *) = nullptr;
  void (*done)(void *) = nullptr;
  void *data = nullptr;

  bool start(Engine *e, void (*on_wake)(Engine *)) override {
    void *loop = nullptr;
    if (uv.find() && uv.event_loop(e->env->env, &loop) == napi_ok && loop) handle = calloc(1, uv.handle_size(POLL));
    if (!handle || uv.poll_init(loop, handle, e->epoll) != 0) {
      free(handle);
      delete this;
      return false;
    }
    engine = e;
    wake = on_wake;
    uv.handle_set_data(handle, this);
    // The data pointer is a handle's first field in every libuv 1.x (uv.h, UV_HANDLE_FIELDS);
    // the getter needs the library, which a plain function does not know.
    uv.poll_start(handle, READABLE_, [](void *h, int, int) {
      auto *self = *static_cast<UvNotifier **>(h);
      self->wake(self->engine);
    });
    uv.unref(handle);
    return true;
  }
  void reference(bool on) override { on ? uv.ref(handle) : uv.unref(handle); }
  void close(void (*on_done)(void *), void *with) override {
    done = on_done;
    data = with;
    uv.poll_stop(handle);
    uv.close(handle, [](void *h) {
      auto *self = *static_cast<UvNotifier **>(h);
      self->done(self->data);
      free(h);
      delete self;
    });
  }
};

}  // namespace

Notifier *notifier_uv() { return new UvNotifier; }
