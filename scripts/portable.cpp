// The few functions of the C++ library that the addon calls out of line, so that the shipped
// binary needs no libstdc++: neither the system's (whose version it would have to guess) nor
// a static copy (200 KiB, and it asks for newer glibc than the addon does). prebuild.mjs
// fails with a list when the addon begins to need another.
#include <new>
#include <stdlib.h>
#include <string>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// As in the ordinary build, where nothing catches what these would throw.
void *operator new(size_t size) {
  void *memory = malloc(size != 0 ? size : 1);
  if (!memory) abort();
  return memory;
}
void *operator new(size_t size, const std::nothrow_t &) noexcept { return malloc(size != 0 ? size : 1); }
void *operator new[](size_t size) { return operator new(size); }
void *operator new[](size_t size, const std::nothrow_t &tag) noexcept { return operator new(size, tag); }
void operator delete(void *memory) noexcept { free(memory); }
void operator delete(void *memory, size_t) noexcept { free(memory); }
void operator delete[](void *memory) noexcept { free(memory); }
void operator delete[](void *memory, size_t) noexcept { free(memory); }

#ifdef __GLIBCXX__
namespace std {
[[noreturn]] void __throw_bad_alloc() { abort(); }
[[noreturn]] void __throw_bad_array_new_length() { abort(); }
[[noreturn]] void __throw_length_error(const char *) { abort(); }
[[noreturn]] void __throw_logic_error(const char *) { abort(); }
[[noreturn]] void __throw_out_of_range(const char *) { abort(); }
[[noreturn]] void __throw_out_of_range_fmt(const char *, ...) { abort(); }
[[noreturn]] void __throw_system_error(int) { abort(); }
}  // namespace std
template class std::basic_string<char>;
#endif
extern "C" [[noreturn]] void __cxa_pure_virtual() { abort(); }

#ifdef __GLIBC__
// A function of glibc only since 2.33; before, an inline one. The kernel's structure is the
// C library's on 64-bit machines.
static_assert(sizeof(void *) == 8, "fstat needs the C library's own on 32-bit machines");
extern "C" int fstat(int fd, struct stat *out) noexcept { return static_cast<int>(syscall(SYS_fstat, fd, out)); }
#endif
