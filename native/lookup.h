// One question to the system's resolver and its answer. Knows the C library, nothing of
// Node-API and nothing of threads, so that it can be asked from any of them.
#pragma once
#include "os.h"
#include <string>
#include <vector>

enum class Question { address, name, host_by_name, host_by_address };

struct Lookup {
  double id = 0;
  // Nobody waits for the answer any more.
  bool abandoned = false;
  // Whether a thread blocks for the answer; otherwise it goes to the event loop.
  bool awaited() const { return id < 0; }
  Question question = Question::address;
  bool has_host = false;
  bool has_service = false;
  std::string host;
  std::string service;
  int family = 0;
  int type = 0;
  int protocol = 0;
  int flags = 0;
  sockaddr_storage address = {};
  socklen_t address_length = 0;

  // 0; or an EAI value, all of which are negative; or an errno, all of which are positive.
  int failure = 0;
  addrinfo *rows = nullptr;
  std::vector<std::string> names;      // host and service, or a host's name and its aliases
  std::vector<std::string> addresses;  // of a host, as text

  Lookup() = default;
  Lookup(const Lookup &) = delete;
  Lookup &operator=(const Lookup &) = delete;
  ~Lookup() {
    if (rows) freeaddrinfo(rows);
  }
  // Asks, and waits for the answer.
  void ask();
};
