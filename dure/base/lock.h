// One process at a time in a directory.
#pragma once

#include <string>

#include "dure/base/files.h"

namespace dure {

// Holds DIRECTORY/.dure.lock by flock(2), so that the kernel gives it back
// however the process ends. The file says who holds it, and is removed on
// destruction. Nothing is held if the file system has no locks. A lock can be
// moved.
class DirectoryLock {
 public:
  // The directory must exist. Throws Error if another process holds it, with
  // its host, its number and since when; or if no file can be made there.
  explicit DirectoryLock(const Path& directory);
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock();

 private:
  Path path_;
  int descriptor_ = -1;
};

}  // namespace dure
