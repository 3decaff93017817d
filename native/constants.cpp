// {AF_INET: 2, ...}: what the headers at hand say of every name in constants.gen.inc. Only
// headers of the C library: the kernel's own contradict musl's, and what they alone have are
// numbers that never change, which the table carries itself.
#include "module.h"

#include <net/ethernet.h>
#include <netinet/ip.h>

namespace {

struct Constant {
  const char *name;
  int64_t value;
};

const Constant constants[] = {
#include "constants.gen.inc"
};

}  // namespace

napi_value constant_table(napi_env env) {
  napi_value table = nullptr;
  napi_create_object(env, &table);
  for (const Constant &c : constants) put(env, table, c.name, number(env, c.value));
  return table;
}
