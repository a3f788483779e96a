#include "dure/base/limits.h"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <fstream>
#include <latch>
#include <sched.h>
#include <sys/resource.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace dure {
namespace {

// The first word of a file; "" if there is none.
std::string first_word(const Path& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

// A number, but none for "max" and for the huge numbers of version 1.
std::optional<std::size_t> number_in(const Path& path) {
  constexpr std::size_t kUnlimited = std::size_t{1} << 60;
  const std::string word = first_word(path);
  std::size_t value = 0;
  const auto [end, error] =
      std::from_chars(word.data(), word.data() + word.size(), value);
  const bool whole = error == std::errc() && end == word.data() + word.size();
  return whole && value < kUnlimited ? std::optional(value) : std::nullopt;
}

// The place of a controller's files for this process: its group's folder, below
// the mount point of the hierarchy. In version 2 all controllers share one
// hierarchy.
struct Hierarchy {
  Path mount;
  std::string group;
};

std::vector<Hierarchy> hierarchies_of(const Path& root,
                                      const std::string& controller) {
  std::vector<Hierarchy> found;
  std::ifstream file(root / "proc/self/cgroup");
  const Path mounts = root / "sys/fs/cgroup";
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
      continue;
    }
    const std::string names = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (names.empty()) {
      found.push_back({mounts, group});
    } else if (("," + names + ",").find("," + controller + ",") !=
               std::string::npos) {
      found.push_back({mounts / controller, group});
    }
  }
  return found;
}

// The least that limit_of(folder) finds for the group and those around it.
// Inside a container the group may be named as on the host, while the mount
// shows it alone, so the mount itself is looked at, too.
template <typename LimitOf>
std::optional<std::size_t> least_of(const Path& root,
                                    const std::string& controller,
                                    const LimitOf& limit_of) {
  std::optional<std::size_t> least;
  for (const Hierarchy& hierarchy : hierarchies_of(root, controller)) {
    Path group = Path(hierarchy.group).relative_path();
    while (true) {
      const std::optional<std::size_t> here = limit_of(hierarchy.mount / group);
      if (here && (!least || *here < *least)) {
        least = here;
      }
      if (group.empty()) {
        break;
      }
      group = group.parent_path();
    }
  }
  return least;
}

std::optional<std::size_t> least_in(const Path& root,
                                    const std::string& controller,
                                    const char* file) {
  return least_of(root, controller, [file](const Path& folder) {
    return number_in(folder / file);
  });
}

// How many processors' time a group may use, rounded up: microseconds of so
// many. Version 2 has both in one file, version 1 in two.
std::optional<std::size_t> processors_in(const Path& folder) {
  std::ifstream file(folder / "cpu.max");
  std::size_t quota = 0;
  std::size_t period = 0;
  if (!(file >> quota >> period)) {
    quota = number_in(folder / "cpu.cfs_quota_us").value_or(0);
    period = number_in(folder / "cpu.cfs_period_us").value_or(0);
  }
  return quota > 0 && period > 0 ? std::optional((quota + period - 1) / period)
                                 : std::nullopt;
}

std::size_t machine_bytes() {
  return static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

MemoryLimit memory_limit(const Path& root) {
  MemoryLimit limit = {machine_bytes(), "this machine's memory"};
  for (const char* file : {"memory.max", "memory.limit_in_bytes"}) {
    const auto bytes = least_in(root, "memory", file);
    if (bytes && *bytes < limit.bytes) {
      limit = {*bytes, fmt::format("what this container may use ({})", file)};
    }
  }
  return limit;
}

int usable_processors(const Path& root) {
  cpu_set_t set;
  CPU_ZERO(&set);
  const bool known = ::sched_getaffinity(0, sizeof set, &set) == 0;
  const std::size_t cores =
      known ? static_cast<std::size_t>(CPU_COUNT(&set))
            : std::max(1U, std::thread::hardware_concurrency());
  return static_cast<int>(
      std::min(cores, least_of(root, "cpu", &processors_in).value_or(cores)));
}

std::optional<std::size_t> addresses_left() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::nullopt;
  }
  // The first number of statm is pages of addresses.
  const auto used = number_in("/proc/self/statm").value_or(0) *
                    static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
}

std::string thread_limits(const Path& root) {
  std::string text;
  const auto add = [&](const std::string& what, std::size_t value) {
    text += fmt::format("{}{} is {}", text.empty() ? "" : "; ", what, value);
  };
  rlimit limit{};
  if (::getrlimit(RLIMIT_NPROC, &limit) == 0 &&
      limit.rlim_cur != RLIM_INFINITY) {
    add("ulimit -u", limit.rlim_cur);
  }
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    add("ulimit -v (KiB)", limit.rlim_cur / 1024);
  }
  if (const auto most = least_in(root, "pids", "pids.max")) {
    add("pids.max of this container", *most);
  }
  if (const auto most = number_in(root / "proc/sys/kernel/threads-max")) {
    add("kernel.threads-max", *most);
  }
  return text;
}

bool can_start_threads(int count) {
  std::latch end(1);
  std::vector<std::jthread> threads;
  bool all = true;
  try {
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([&end] { end.wait(); });
    }
  } catch (const std::system_error&) {
    all = false;
  }
  end.count_down();
  return all;
}

}  // namespace dure
