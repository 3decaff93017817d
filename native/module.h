// The rooms of the addon and the state of one environment. Nothing here is global (but the
// table of transit.cpp): the addon is loaded again in every worker thread.
#pragma once
#include "napi.h"
#include "os.h"

struct Engine;
struct Resolver;

struct Env {
  napi_env env = nullptr;
  Engine *engine = nullptr;
  Resolver *resolver = nullptr;
};

extern const Function syscall_functions[];
extern const Function transfer_functions[];
extern const Function message_functions[];
extern const Function batch_functions[];
extern const Function transit_functions[];
extern const Function engine_functions[];
extern const Function names_functions[];
extern const Function lookup_functions[];

// {AF_INET: 2, …}: every constant of constants.gen.inc that this platform defines.
napi_value constant_table(napi_env env);

void engine_create(Env *env);
// Closes what the environment's sockets own and stops watching; `done` runs when the event
// loop has let go of the engine, after which it is freed.
void engine_destroy(Env *env, void (*done)(void *), void *data);
