// Export table and the life of an environment's state.
#include "module.h"

namespace {

void define(napi_env env, napi_value exports, const Function *rows, Env *state) {
  for (; rows->name; rows++) {
    napi_value f = nullptr;
    napi_create_function(env, rows->name, NAPI_AUTO_LENGTH, rows->call, state, &f);
    put(env, exports, rows->name, f);
  }
}

struct Teardown {
  napi_async_cleanup_hook_handle hook;
  Env *state;
};

// Asynchronous on purpose: an event loop that is closed while a handle of ours is open
// aborts the whole process (worker.terminate() does just that), so the hook is only given
// back when the loop has let go.
void on_cleanup(napi_async_cleanup_hook_handle hook, void *data) {
  auto *teardown = new Teardown{hook, static_cast<Env *>(data)};
  engine_destroy(
      teardown->state,
      [](void *arg) {
        auto *t = static_cast<Teardown *>(arg);
        napi_async_cleanup_hook_handle h = t->hook;
        delete t->state;
        delete t;
        napi_remove_async_cleanup_hook(h);
      },
      teardown);
}

// Deno frees the handle of an async hook itself, and again when the hook gives it back (seen
// in 2.9: "double free" at exit). Without libuv nothing is closed later, so a plain hook does.
bool deno(napi_env env) {
  napi_value global = nullptr, process = nullptr, versions = nullptr;
  bool found = false;
  napi_get_global(env, &global);
  napi_get_named_property(env, global, "process", &process);
  napi_get_named_property(env, process, "versions", &versions);
  napi_has_named_property(env, versions, "deno", &found);
  return found;
}

void on_plain_cleanup(void *data) {
  engine_destroy(static_cast<Env *>(data), [](void *state) { delete static_cast<Env *>(state); }, data);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  auto *state = new Env;
  state->env = env;
  for (const Function *rows : {syscall_functions, transfer_functions, message_functions, batch_functions, transit_functions, engine_functions, names_functions, lookup_functions})
    define(env, exports, rows, state);
  put(env, exports, "constants", constant_table(env));
  engine_create(state);
  if (deno(env)) napi_add_env_cleanup_hook(env, on_plain_cleanup, state);
  else napi_add_async_cleanup_hook(env, on_cleanup, state, nullptr);
  return exports;
}
