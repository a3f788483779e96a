#include "dure/checkpoint/atomic_folder.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <stdio.h>  // NOLINT(modernize-deprecated-headers): renameat2
#include <system_error>

#include "dure/base/check.h"
#include "dure/base/links.h"

namespace dure::checkpoint {
namespace {

Path absolute_of(const Path& target) {
  // "a/" and "a" are one name.
  const Path path = std::filesystem::absolute(target).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

void rename_or_throw(const Path& from, const Path& to) {
  DURE_CHECK(::rename(from.c_str(), to.c_str()) == 0,
             "can't rename {} to {}: {}",
             from.string(),
             to.string(),
             std::strerror(errno));
}

// Makes `a` what `b` was, and the other way round.
void swap_folders(const Path& a, const Path& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) ==
      0) {
    return;
  }
  // On a file system that can't swap, for a moment neither exists.
  const Path aside = b.string() + ".old";
  rename_or_throw(b, aside);
  rename_or_throw(a, b);
  rename_or_throw(aside, a);
}

}  // namespace

AtomicFolder::AtomicFolder(const Path& target, Existing existing)
    : target_(target_of(absolute_of(target))), temporary_(target_) {
  const auto there = std::filesystem::status(target_);
  DURE_CHECK(existing == Existing::kReplace || !std::filesystem::exists(there),
             "{} exists already; remove it, or choose another name",
             target_.string());
  DURE_CHECK(
      !std::filesystem::exists(there) || std::filesystem::is_directory(there),
      "{} is a file, wanted a folder or nothing; remove it, or choose another "
      "name",
      target_.string());
  make_directories(target_.parent_path());
  make_directories(temporary_.path());
}

void AtomicFolder::commit() {
  sync_directory(temporary_.path());
  if (std::filesystem::exists(target_)) {
    swap_folders(temporary_.path(), target_);  // and the old one goes
  } else {
    rename_or_throw(temporary_.path(), target_);
  }
  sync_directory(target_.parent_path());
}

void remove_folder(const Path& folder) {
  const Path target = absolute_of(folder);
  const Temporary hidden(target);
  rename_or_throw(target, hidden.path());
  std::error_code error;
  std::filesystem::remove_all(hidden.path(), error);
  DURE_CHECK(
      !error, "can't remove {}: {}", hidden.path().string(), error.message());
}

}  // namespace dure::checkpoint
