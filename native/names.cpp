// The system's tables: services, protocols, interfaces, and the resolver's messages.
#include "module.h"
#include <vector>

namespace {

// Calls a reentrant netdb function with a buffer that grows for as long as it asks for
// more; what it found, or nothing. The buffer has to live as long as what points into it.
template <class Entry, class Get>
Entry *lookup(std::vector<char> &buffer, Entry &entry, Get get) {
  for (;;) {
    Entry *found = nullptr;
    int error = get(&entry, buffer.data(), buffer.size(), &found);
    if (error != ERANGE || buffer.size() >= (1 << 20)) return error == 0 ? found : nullptr;
    buffer.resize(buffer.size() * 2);
  }
}

// getservbyname(name, proto | null): the port, or -ENOENT.
napi_value get_service_by_name(napi_env env, napi_callback_info info) {
  Call<2> c(env, info);
  std::string name, proto;
  if (!c.text(0, name)) return number(env, -EINVAL);
  const char *any = c.text(1, proto) ? proto.c_str() : nullptr;
  std::vector<char> buffer(1024);
  servent entry = {};
  servent *found = lookup(buffer, entry, [&](servent *e, char *b, size_t n, servent **f) {
    return getservbyname_r(name.c_str(), any, e, b, n, f);
  });
  return number(env, found ? ntohs(static_cast<uint16_t>(found->s_port)) : -ENOENT);
}

// getservbyport(port, proto | null): the name, or null.
napi_value get_service_by_port(napi_env env, napi_callback_info info) {
  Call<2> c(env, info);
  std::string proto;
  const char *any = c.text(1, proto) ? proto.c_str() : nullptr;
  int port = htons(static_cast<uint16_t>(c.i32(0)));
  std::vector<char> buffer(1024);
  servent entry = {};
  servent *found = lookup(buffer, entry, [&](servent *e, char *b, size_t n, servent **f) {
    return getservbyport_r(port, any, e, b, n, f);
  });
  napi_value nothing = nullptr;
  napi_get_null(env, &nothing);
  return found ? text(env, found->s_name) : nothing;
}

// getprotobyname(name): the number, or -ENOENT.
napi_value get_protocol_by_name(napi_env env, napi_callback_info info) {
  Call<1> c(env, info);
  std::string name;
  if (!c.text(0, name)) return number(env, -EINVAL);
#ifdef __GLIBC__
  std::vector<char> buffer(1024);
  protoent entry = {};
  protoent *found = lookup(buffer, entry, [&](protoent *e, char *b, size_t n, protoent **f) {
    return getprotobyname_r(name.c_str(), e, b, n, f);
  });
  return number(env, found ? found->p_proto : -ENOENT);
#else
  // musl has a fixed table but walks it with a static cursor; spec/services.ts has one.
  return number(env, -ENOENT);
#endif
}

// if_nametoindex(name): the index, or -errno.
napi_value interface_index(napi_env env, napi_callback_info info) {
  Call<1> c(env, info);
  std::string name;
  if (!c.text(0, name) || name.find('\0') != std::string::npos) return number(env, -EINVAL);
  unsigned index = if_nametoindex(name.c_str());
  return number(env, index ? static_cast<int64_t>(index) : -errno);
}

// if_indextoname(index): the name, or -errno.
napi_value interface_name(napi_env env, napi_callback_info info) {
  Call<1> c(env, info);
  uint32_t index = 0;
  napi_get_value_uint32(env, c.argv[0], &index);
  char name[IF_NAMESIZE + 1] = "";
  if (!if_indextoname(index, name)) return number(env, -errno);
  return text(env, name);
}

// if_nameindex(): [[index, name], …], or -errno.
napi_value interface_list(napi_env env, napi_callback_info) {
  struct if_nameindex *list = if_nameindex();
  if (!list) return number(env, -errno);
  napi_value result = nullptr;
  napi_create_array(env, &result);
  uint32_t n = 0;
  for (struct if_nameindex *i = list; i->if_index != 0; i++) {
    napi_value row = nullptr;
    napi_create_array_with_length(env, 2, &row);
    push(env, row, 0, number(env, i->if_index));
    push(env, row, 1, text(env, i->if_name));
    push(env, result, n++, row);
  }
  if_freenameindex(list);
  return result;
}

// inet_aton(text): the address as a number in network byte order read as such, or -1.
napi_value address_from_text(napi_env env, napi_callback_info info) {
  Call<1> c(env, info);
  std::string address;
  in_addr parsed;
  if (!c.text(0, address) || !inet_aton(address.c_str(), &parsed)) return number(env, -1);
  return number(env, static_cast<int64_t>(ntohl(parsed.s_addr)));
}

// gai_strerror(code): the C library's words for an EAI value.
napi_value failure_text(napi_env env, napi_callback_info info) {
  Call<1> c(env, info);
  const char *words = gai_strerror(c.i32(0));
  return text(env, words ? words : "Unknown error");
}

}  // namespace

const Function names_functions[] = {
    {"getservbyname", get_service_by_name},
    {"getservbyport", get_service_by_port},
    {"getprotobyname", get_protocol_by_name},
    {"if_nametoindex", interface_index},
    {"if_indextoname", interface_name},
    {"if_nameindex", interface_list},
    {"inet_aton", address_from_text},
    {"gai_strerror", failure_text},
    {},
};
