// The limits that this machine sets on a process: asked, not assumed.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "dure/base/files.h"

namespace dure {

struct MemoryLimit {
  std::size_t bytes = 0;
  std::string name = {};  // "this machine's memory", "the control group's ..."
};

// The least of the machine's memory and the limits of this process's control
// groups (memory.max, or memory.limit_in_bytes of version 1). `root` is where
// /proc and /sys are.
MemoryLimit memory_limit(const Path& root = "/");

// The bytes of addresses that `ulimit -v` still leaves; nothing without a
// limit.
std::optional<std::size_t> addresses_left();

// How many threads of this process run at once: the cores that the calling
// thread may use, or what the control groups grant of them (cpu.max, or
// cpu.cfs_quota_us of version 1), rounded up; at least 1.
int usable_processors(const Path& root = "/");

// The limits on the number of threads, for messages: "ulimit -u is 100;
// pids.max of the control group is 64".
std::string thread_limits(const Path& root = "/");

// Starts so many threads and ends them, to see whether any limit prevents it.
// Takes 20 us a thread.
bool can_start_threads(int count);

}  // namespace dure
