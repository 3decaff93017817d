// From a file to a socket: sendfile(2), and read(2) where it does not work. And what a stream's
// queue holds, for those who must know before they take it.
#include "engine.h"

namespace {

// sendfile(2) has no MSG_NOSIGNAL: SIGPIPE is held back while it runs, and taken back if it was
// this call that raised it. It is sent to the thread itself (signal(7)).
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    before_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &mask_);
  }
  ~NoPipeSignal() {
    if (raised && !before_) {
      timespec none{};
      while (sigtimedwait(&pipe_, nullptr, &none) < 0 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
  }
  bool raised = false;

 private:
  sigset_t pipe_, mask_;
  bool before_;
};

// sendfile(out, in, offset, length): the bytes that the socket took; the file's position stays.
napi_value sendfile_(napi_env env, napi_callback_info info) {
  Call<4> a(env, info);
  int out = a.fd(0), in = a.fd(1);
  off_t offset = static_cast<off_t>(a.i64(2));
  int64_t length = a.i64(3);
  if (offset < 0 || length < 0) return number(env, -EINVAL);
  // There is no MSG_DONTWAIT either: where another owner of the socket took O_NONBLOCK away, the
  // caller reads and sends instead.
  int flags = fcntl(out, F_GETFL);
  if (flags < 0) return number(env, -errno);
  if (!(flags & O_NONBLOCK)) return number(env, -EINVAL);
  NoPipeSignal quiet;
  long r = os::retry([&] { return sendfile(out, in, &offset, static_cast<size_t>(length)); });
  quiet.raised = r == -EPIPE;
  return number(env, r);
}

// readFile(fd, view, position): pread(2), or read(2) where the position is negative.
napi_value read_file(napi_env env, napi_callback_info info) {
  Call<3> a(env, info);
  int fd = a.fd(0);
  Bytes into = a.bytes(1);
  int64_t position = a.i64(2);
  if (!into.data) return number(env, -EFAULT);
  return number(env, os::retry([&]() -> ssize_t {
                  return position < 0 ? read(fd, into.data, into.size) : pread(fd, into.data, into.size, position);
                }));
}

// queued(fd): the bytes that a stream's receive queue holds, up to urgent data (FIONREAD); -errno
// where the family does not tell.
napi_value queued(napi_env env, napi_callback_info info) {
  Call<1> a(env, info);
  int n = 0;
  return number(env, ioctl(a.fd(0), FIONREAD, &n) < 0 ? -errno : n);
}

// atmark(fd): 1 where the next read begins at urgent data (SIOCATMARK), 0 elsewhere; -errno.
napi_value atmark(napi_env env, napi_callback_info info) {
  Call<1> a(env, info);
  int at = 0;
  return number(env, ioctl(a.fd(0), SIOCATMARK, &at) < 0 ? -errno : at != 0);
}

}  // namespace

const Function transfer_functions[] = {
    {"sendfile", sendfile_}, {"readFile", read_file}, {"queued", queued}, {"atmark", atmark}, {nullptr, nullptr},
};
