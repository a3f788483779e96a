#include "dure/checkpoint/atomic_folder.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>  // NOLINT(modernize-deprecated-headers): renameat2
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>

#include "dure/base/check.h"

namespace dure::checkpoint {
namespace {

Path absolute_of(const Path& target) {
  // "a/" and "a" are one name.
  const Path path = std::filesystem::absolute(target).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

// ".tmp.HOST.", between the folder's name and the process.
std::string mark() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  return concat(".tmp.", host, ".");
}

Path neighbour(const Path& target) {
  std::string name(1, '.');
  name += target.filename().string();
  name += mark();
  name += std::to_string(::getpid());
  return target.parent_path() / name;
}

bool is_alive(int process) {
  return ::kill(process, 0) == 0 || errno == EPERM;
}

// Whether `name` is a neighbour that no living process of this host owns.
bool is_leftover(std::string_view name, std::string_view prefix) {
  const std::string between = mark();
  const std::size_t at = name.rfind(between);
  if (name.substr(0, 1) != "." || name.substr(1, prefix.size()) != prefix ||
      at == std::string_view::npos) {
    return false;
  }
  int process = 0;
  const char* end = name.data() + name.size();
  const auto read =
      std::from_chars(name.data() + at + between.size(), end, process);
  return read.ec == std::errc() && read.ptr == end && !is_alive(process);
}

void rename_or_throw(const Path& from, const Path& to) {
  DURE_CHECK(::rename(from.c_str(), to.c_str()) == 0,
             "can't rename ",
             from.string(),
             " to ",
             to.string(),
             ": ",
             std::strerror(errno));
}

// Afterwards `a` is what `b` was, and the other way round.
void swap_folders(const Path& a, const Path& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) ==
      0) {
    return;
  }
  // A file system that can't swap: for a moment neither is there.
  const Path aside = b.string() + ".old";
  rename_or_throw(b, aside);
  rename_or_throw(a, b);
  rename_or_throw(aside, a);
}

}  // namespace

AtomicFolder::AtomicFolder(const Path& target, Existing existing)
    : target_(absolute_of(target)) {
  DURE_CHECK(
      existing == Existing::kReplace || !std::filesystem::exists(target_),
      target_.string(),
      " exists already; remove it, or choose another name");
  make_directories(target_.parent_path());
  remove_leftovers(target_.parent_path(), target_.filename().string());
  temporary_ = neighbour(target_);
  std::filesystem::remove_all(temporary_);
  make_directories(temporary_);
}

AtomicFolder::~AtomicFolder() {
  if (state_ == State::kOpen) {
    std::error_code ignored;
    std::filesystem::remove_all(temporary_, ignored);
  }
}

void AtomicFolder::commit() {
  sync_directory(temporary_);
  const bool replaces = std::filesystem::exists(target_);
  if (replaces) {
    swap_folders(temporary_, target_);
  } else {
    rename_or_throw(temporary_, target_);
  }
  state_ = State::kDone;
  sync_directory(target_.parent_path());
  if (replaces) {
    std::filesystem::remove_all(temporary_);
  }
}

void remove_folder(const Path& folder) {
  const Path target = absolute_of(folder);
  const Path hidden = neighbour(target);
  std::filesystem::remove_all(hidden);
  rename_or_throw(target, hidden);
  std::error_code error;
  std::filesystem::remove_all(hidden, error);
  DURE_CHECK(!error, "can't remove ", hidden.string(), ": ", error.message());
}

void remove_leftovers(const Path& parent, const std::string& prefix) {
  std::error_code ignored;  // a leftover that stays harms nobody
  for (const auto& entry :
       std::filesystem::directory_iterator(parent, ignored)) {
    if (is_leftover(entry.path().filename().string(), prefix)) {
      std::filesystem::remove_all(entry.path(), ignored);
    }
  }
}

}  // namespace dure::checkpoint
