// A preloaded library that makes fsync() slow.
#include <dlfcn.h>
#include <unistd.h>

extern "C" int fsync(int file) {
  constexpr unsigned kMicroseconds = 500'000;
  using Fsync = int (*)(int);
  static const auto real = reinterpret_cast<Fsync>(::dlsym(RTLD_NEXT, "fsync"));
  ::usleep(kMicroseconds);
  return real(file);
}
