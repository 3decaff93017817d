// A small vocabulary over plain Node-API, so that a native function reads: take the
// arguments, make the call, return a number. TypeScript has checked every argument before
// it gets here; these readers still never trust it: a wrong type reads as 0, as no bytes, as no descriptor.
#pragma once
#define NAPI_VERSION 8
#include <node_api.h>
#include <stddef.h>
#include <stdint.h>
#include <string>

struct Env;  // state of one environment (thread): module.h

// One row of a room's export table; the table ends with a row without a name.
struct Function {
  const char *name;
  napi_callback call;
};

struct Bytes {
  uint8_t *data = nullptr;
  size_t size = 0;
};

// The arguments of one call, read by position.
template <size_t N>
struct Call {
  napi_env env;
  Env *state = nullptr;
  size_t argc = N;
  napi_value self = nullptr;
  napi_value argv[N ? N : 1];

  Call(napi_env e, napi_callback_info info) : env(e) {
    void *data = nullptr;
    napi_get_cb_info(e, info, &argc, argv, nullptr, &data);
    state = static_cast<Env *>(data);
  }
  int32_t i32(size_t at) const {
    int32_t v = 0;
    napi_get_value_int32(env, argv[at], &v);
    return v;
  }
  // A descriptor. What is no number is none: 0 is somebody's standard input, which may be a socket.
  int fd(size_t at) const {
    int32_t v = -1;
    return napi_get_value_int32(env, argv[at], &v) == napi_ok ? v : -1;
  }
  int64_t i64(size_t at) const {
    int64_t v = 0;
    napi_get_value_int64(env, argv[at], &v);
    return v;
  }
  double f64(size_t at) const {
    double v = 0;
    napi_get_value_double(env, argv[at], &v);
    return v;
  }
  // A Uint8Array's (or Buffer's) memory. Nothing for any other value, and for a detached one.
  Bytes bytes(size_t at) const {
    Bytes b;
    napi_typedarray_type type;
    void *data = nullptr;
    size_t size = 0;
    if (at < argc && napi_get_typedarray_info(env, argv[at], &type, &size, &data, nullptr, nullptr) == napi_ok &&
        type == napi_uint8_array) {
      b.data = static_cast<uint8_t *>(data);
      b.size = size;
    }
    return b;
  }
  bool text(size_t at, std::string &out) const {
    size_t size = 0;
    if (at >= argc || napi_get_value_string_utf8(env, argv[at], nullptr, 0, &size) != napi_ok) return false;
    out.resize(size);
    napi_get_value_string_utf8(env, argv[at], &out[0], size + 1, &size);
    return true;
  }
};

inline napi_value number(napi_env env, int64_t v) {
  napi_value r = nullptr;
  if (v >= INT32_MIN && v <= INT32_MAX) napi_create_int32(env, static_cast<int32_t>(v), &r);
  else napi_create_int64(env, v, &r);
  return r;
}
inline napi_value text(napi_env env, const char *s, size_t n = NAPI_AUTO_LENGTH) {
  napi_value r = nullptr;
  napi_create_string_utf8(env, s, n, &r);
  return r;
}
inline void put(napi_env env, napi_value object, const char *key, napi_value value) {
  napi_set_named_property(env, object, key, value);
}
inline void push(napi_env env, napi_value array, uint32_t at, napi_value value) {
  napi_set_element(env, array, at, value);
}
