// The C library's resolver calls, each reduced to: question in, answer or failure out.
#include "lookup.h"

static_assert(EAI_NONAME < 0 && EAI_SYSTEM < 0 && EAI_AGAIN < 0, "a failure's sign tells EAI values from errnos");

namespace {

int failure_of(int eai) { return eai == EAI_SYSTEM ? errno : eai; }

// gethostbyname(3) counts its failures in a list of its own.
int failure_of_host(int h) {
  switch (h) {
    case HOST_NOT_FOUND: return EAI_NONAME;
    case TRY_AGAIN: return EAI_AGAIN;
    case NO_RECOVERY: return EAI_FAIL;
#ifdef EAI_NODATA
    case NO_DATA: return EAI_NODATA;
#endif
    default: return EAI_NONAME;
  }
}

void ask_address(Lookup &l) {
  addrinfo hints = {};
  hints.ai_family = l.family;
  hints.ai_socktype = l.type;
  hints.ai_protocol = l.protocol;
  hints.ai_flags = l.flags;
  // A name that C would cut short is another name.
  if (l.host.find('\0') != std::string::npos || l.service.find('\0') != std::string::npos) {
    l.failure = EAI_NONAME;
    return;
  }
  l.failure = failure_of(getaddrinfo(l.has_host ? l.host.c_str() : nullptr,
                                     l.has_service ? l.service.c_str() : nullptr, &hints, &l.rows));
  if (l.failure) l.rows = nullptr;
}

void ask_name(Lookup &l) {
  char host[NI_MAXHOST] = "";
  char service[NI_MAXSERV] = "";
  l.failure = failure_of(getnameinfo(reinterpret_cast<sockaddr *>(&l.address), l.address_length, host, sizeof host,
                                     service, sizeof service, l.flags));
  if (!l.failure) l.names = {host, service};
}

void take_host(Lookup &l, const hostent &h) {
  l.names.push_back(h.h_name ? h.h_name : "");
  for (char **alias = h.h_aliases; alias && *alias; alias++) l.names.push_back(*alias);
  for (char **address = h.h_addr_list; address && *address; address++) {
    char text[INET6_ADDRSTRLEN];
    if (inet_ntop(h.h_addrtype, *address, text, sizeof text)) l.addresses.push_back(text);
  }
}

void ask_host(Lookup &l) {
  const void *bytes = nullptr;
  socklen_t size = 0;
  int family = l.address.ss_family;
  if (l.question == Question::host_by_address) {
    if (family == AF_INET) {
      bytes = &reinterpret_cast<sockaddr_in *>(&l.address)->sin_addr;
      size = sizeof(in_addr);
    } else if (family == AF_INET6) {
      bytes = &reinterpret_cast<sockaddr_in6 *>(&l.address)->sin6_addr;
      size = sizeof(in6_addr);
    } else {
      l.failure = EAI_FAMILY;
      return;
    }
  } else if (l.host.find('\0') != std::string::npos) {
    l.failure = EAI_NONAME;
    return;
  }
  // The buffer that holds a host's names and addresses is the caller's, and ERANGE asks
  // for a larger one.
  for (std::vector<char> buffer(1024);; buffer.resize(buffer.size() * 2)) {
    hostent host = {};
    hostent *found = nullptr;
    int reason = 0;
    int error = bytes ? gethostbyaddr_r(bytes, size, family, &host, buffer.data(), buffer.size(), &found, &reason)
                      : gethostbyname_r(l.host.c_str(), &host, buffer.data(), buffer.size(), &found, &reason);
    if (error == ERANGE && buffer.size() < (1 << 20)) continue;
    if (found) take_host(l, *found);
    else l.failure = reason == NETDB_INTERNAL && error > 0 ? error : failure_of_host(reason);
    return;
  }
}

}  // namespace

void Lookup::ask() {
  switch (question) {
    case Question::address: return ask_address(*this);
    case Question::name: return ask_name(*this);
    case Question::host_by_name:
    case Question::host_by_address: return ask_host(*this);
  }
}
