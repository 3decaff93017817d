// Descriptors between two owners: one thread has given a socket up, the other has not taken it
// yet. They stand in one table of the process, the only state that threads share: whoever takes
// an entry out of it owns the descriptor, so two never do, and what nobody has taken is closed
// with the thread that gave it up.
#include "engine.h"
#include <mutex>
#include <vector>

namespace {

struct Offer {
  int fd;
  int64_t ticket;
  const Env *from;
};

// The table, which every thread locks before it looks. Never destroyed: threads may outlive the
// destructors of the process. No static of a function: that takes guards of the C++ library, which
// the shipped binary does without.
std::mutex mutex;
std::vector<Offer> *list = nullptr;
int64_t last = 0;

std::vector<Offer> &offers() {
  if (!list) list = new std::vector<Offer>;
  return *list;
}

// claim(fd, ticket): the descriptor is the caller's from now on; -ENOENT if it is nobody's to take.
napi_value claim(napi_env env, napi_callback_info info) {
  Call<2> a(env, info);
  int fd = a.fd(0);
  int64_t ticket = a.i64(1);
  std::lock_guard<std::mutex> lock(mutex);
  std::vector<Offer> &all = offers();
  for (size_t i = 0; i < all.size(); i++) {
    if (all[i].ticket != ticket || all[i].fd != fd) continue;
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
    born(a.state->engine, IO_BORN, fd);
    return number(env, 0);
  }
  return number(env, -ENOENT);
}

// offered(ticket): 1 as long as nobody has taken it.
napi_value offered(napi_env env, napi_callback_info info) {
  Call<1> a(env, info);
  int64_t ticket = a.i64(0);
  std::lock_guard<std::mutex> lock(mutex);
  for (const Offer &each : offers())
    if (each.ticket == ticket) return number(env, 1);
  return number(env, 0);
}

}  // namespace

int64_t offer_descriptor(const Env *from, int fd) {
  std::lock_guard<std::mutex> lock(mutex);
  offers().push_back({fd, ++last, from});
  return last;
}

void close_offers(const Env *from) {
  std::lock_guard<std::mutex> lock(mutex);
  std::vector<Offer> &all = offers();
  size_t kept = 0;
  for (const Offer &each : all) {
    if (each.from == from) close(each.fd);
    else all[kept++] = each;
  }
  all.resize(kept);
}

const Function transit_functions[] = {
    {"claim", claim},
    {"offered", offered},
    {nullptr, nullptr},
};
