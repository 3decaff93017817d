// Included before every source of the shipped binary (prebuild.mjs), never in a build for
// this machine alone. glibc 2.34 moved these functions into libc.so.6 under a new version
// (2.32 for pthread_sigmask); the old versions are still there, and older systems have them
// in libdl and libpthread. Asking for the old ones lets the binary run on both.
#pragma once
#include <features.h>
#ifdef __GLIBC__
#if defined(__x86_64__)
#define OLD_VERSION "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define OLD_VERSION "GLIBC_2.17"
#endif
#endif
#ifdef OLD_VERSION
#define OLD(name) __asm__(".symver " #name "," #name "@" OLD_VERSION)
OLD(dladdr);
OLD(dlclose);
OLD(dlerror);
OLD(dlopen);
OLD(dlsym);
OLD(pthread_create);
OLD(pthread_detach);
OLD(pthread_join);
OLD(pthread_sigmask);
#undef OLD
#undef OLD_VERSION
#endif
