#include "dure/base/lock.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/process.h"
#include "dure/base/quote.h"

namespace dure {
namespace {

int open_file(const Path& path) {
  const int descriptor =
      ::open(path.c_str(),
             O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
             0666);
  struct stat status {};
  DURE_CHECK(descriptor >= 0 && ::fstat(descriptor, &status) == 0 &&
                 S_ISREG(status.st_mode),
             "can't create {}: {}; choose a directory that can be written",
             path.string(),
             descriptor < 0 ? std::strerror(errno) : "it is no regular file");
  return descriptor;
}

// Whether the path still names the file: its last holder may have removed it.
bool is_named(int descriptor, const Path& path) {
  struct stat here {};
  struct stat there {};
  return ::fstat(descriptor, &here) == 0 && ::stat(path.c_str(), &there) == 0 &&
         here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

// "process 71 on node3, since 2026-11-29 13:52:32".
std::string this_process() {
  return fmt::format("process {} on {}, since {:%Y-%m-%d %H:%M:%S}",
                     ::getpid(),
                     host_name(),
                     fmt::localtime(std::time(nullptr)));
}

std::string holder_of(int descriptor) {
  std::array<char, 512> text{};
  const ssize_t got = ::pread(descriptor, text.data(), text.size(), 0);
  const std::string holder(text.data(),
                           static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  const bool plain = !holder.empty() && holder.find('\n') == std::string::npos;
  return plain ? printable(holder) : "another process";
}

// This is best effort: if it fails, the reader learns less.
void write_holder(int descriptor) {
  const std::string text = this_process();
  if (::ftruncate(descriptor, 0) == 0) {
    static_cast<void>(::pwrite(descriptor, text.data(), text.size(), 0) > 0);
  }
}

}  // namespace

DirectoryLock::DirectoryLock(const Path& directory)
    : path_(directory / ".dure.lock") {
  while (descriptor_ < 0) {
    const int descriptor = open_file(path_);
    const bool held = ::flock(descriptor, LOCK_EX | LOCK_NB) == 0;
    const int why = errno;
    if (!held && why == EWOULDBLOCK) {
      const std::string holder = holder_of(descriptor);
      ::close(descriptor);
      DURE_CHECK(
          false,
          "{} is in use by {}; wait until it ends, or choose another directory",
          directory.string(),
          holder);
    }
    if (is_named(descriptor, path_)) {
      descriptor_ = descriptor;
    } else {
      ::close(descriptor);
    }
  }
  write_holder(descriptor_);
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

DirectoryLock::~DirectoryLock() {
  if (descriptor_ >= 0) {
    ::unlink(path_.c_str());
    ::close(descriptor_);
  }
}

}  // namespace dure
