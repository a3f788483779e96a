#include "dure/base/temporary.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <mutex>
#include <optional>
#include <set>
#include <signal.h>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "dure/base/process.h"

namespace dure {
namespace {

constexpr std::string_view kMark = ".tmp.";
constexpr std::size_t kLongestName = 255;  // Linux's file systems
constexpr auto kOld = std::chrono::hours(7 * 24);

// The names in use are global to the process, as its number is, which is part
// of them: an end by a signal must find them without an argument.
struct InUse {
  std::mutex mutex;
  std::set<std::string> paths;
  int next = 0;
};

InUse& in_use() {
  static InUse all;
  return all;
}

// The maker of a temporary, by its name.
struct Maker {
  std::string_view target;  // what was to be made
  std::string_view host;    // "" if unknown
  int process = 0;
};

std::optional<int> number_in(std::string_view text) {
  int number = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  const bool whole = read.ec == std::errc() && read.ptr == end;
  return whole && number >= 0 ? std::optional(number) : std::nullopt;
}

// Cuts off the last part of a dotted name, and returns it.
std::string_view take_last(std::string_view& text) {
  const std::size_t dot = text.rfind('.');
  const bool none = dot == std::string_view::npos;
  const std::string_view last = none ? text : text.substr(dot + 1);
  text = none ? "" : text.substr(0, dot);
  return last;
}

// Parses .NAME.tmp.HOST.PROCESS.NUMBER, and the names of Dure 0.1:
// .NAME.tmp.HOST.PROCESS and NAME.tmp.PROCESS.NUMBER.
std::optional<Maker> maker_of(std::string_view name) {
  const std::size_t at = name.rfind(kMark);
  if (at == std::string_view::npos || at == 0) {
    return std::nullopt;
  }
  std::string_view rest = name.substr(at + kMark.size());
  const auto last = number_in(take_last(rest));
  std::string_view before = rest;
  const auto process = number_in(take_last(before));
  const bool hidden = name[0] == '.';
  const Maker maker = {
      .target = name.substr(hidden ? 1 : 0, at - (hidden ? 1 : 0)),
      .host = process.has_value() ? before : rest,
      .process = process.value_or(last.value_or(0))};
  const bool ours =
      hidden ? !maker.host.empty() : process.has_value() && maker.host.empty();
  return last.has_value() && ours ? std::optional(maker) : std::nullopt;
}

bool is_alive(int process) {
  return ::kill(process, 0) == 0 || errno == EPERM;
}

bool is_old(const Path& path) {
  std::error_code error;
  const auto touched = std::filesystem::last_write_time(path, error);
  return !error &&
         std::filesystem::file_time_type::clock::now() - touched > kOld;
}

// Whether it is a leftover. A name with this process's number is one unless
// this process is making it: a container gives its first process the same
// number each time.
bool is_left(const Path& path, const Maker& maker) {
  if (!maker.host.empty() && maker.host != host_name()) {
    return is_old(path);
  }
  if (maker.process != ::getpid()) {
    return !is_alive(maker.process);
  }
  const std::lock_guard lock(in_use().mutex);
  return !in_use().paths.contains(path.string());
}

Path directory_of(const Path& target) {
  const Path parent = target.parent_path();
  return parent.empty() ? Path(".") : parent;
}

// The name, cut to leave room for the rest of a temporary's name.
std::string kept_name(const Path& target) {
  const std::size_t rest = 1 + kMark.size() + host_name().size() +
                           std::string(".4194304.").size() +
                           std::string("999999999").size();
  return target.filename().string().substr(
      0, kLongestName - std::min(kLongestName, rest));
}

}  // namespace

Temporary::Temporary(const Path& target) {
  const std::string name = kept_name(target);
  remove_leftovers(directory_of(target), name);
  const std::lock_guard lock(in_use().mutex);
  std::string hidden(1, '.');
  hidden.append(name).append(kMark).append(host_name());
  hidden += '.' + std::to_string(::getpid());
  hidden += '.' + std::to_string(in_use().next++);
  path_ = directory_of(target) / hidden;
  in_use().paths.insert(path_.string());
}

Temporary::Temporary(Temporary&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

Temporary::~Temporary() {
  if (path_.empty()) {
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  const std::lock_guard lock(in_use().mutex);
  in_use().paths.erase(path_.string());
}

void remove_leftovers(const Path& directory, std::string_view prefix) {
  std::error_code ignored;
  std::filesystem::directory_iterator entry(
      directory.empty() ? Path(".") : directory, ignored);
  while (!ignored && entry != std::filesystem::directory_iterator()) {
    const std::string name = entry->path().filename().string();
    const auto maker = maker_of(name);
    const bool meant = maker.has_value() && maker->target.starts_with(prefix) &&
                       !(maker->host.empty() && prefix.empty());
    if (meant && is_left(entry->path(), *maker)) {
      std::error_code stays;
      std::filesystem::remove_all(entry->path(), stays);
    }
    entry.increment(ignored);
  }
}

void remove_temporaries_at_the_end() {
  // Never unlocked: a thread that begins something else waits until the end.
  std::unique_lock lock(in_use().mutex);
  for (const std::string& path : in_use().paths) {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  lock.release();
}

}  // namespace dure
