// The hardware of this machine: packages, cores, caches, memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dure::launch {

// Memory, and the cores that are nearest to it.
struct NumaNode {
  int number = 0;  // the system's
  std::uint64_t bytes = 0;
  std::vector<int> threads =
      {};  // the system's numbers of its hardware threads
  bool operator==(const NumaNode&) const = default;
};

struct Cache {
  std::string name;         // "L1d", "L2", "L3"
  std::uint64_t bytes = 0;  // of one
  int count = 0;
  bool operator==(const Cache&) const = default;
};

// The hardware that this process may use. Inside a Slurm job or a container
// that may be less than there is.
struct Machine {
  int packages = 0;  // sockets
  int cores = 0;
  int threads = 0;  // hardware threads
  std::vector<NumaNode> numa_nodes = {};
  std::vector<Cache> caches = {};  // the nearest to a core first
};

// The machine by hwloc. Without hwloc, or if it fails: threads as the system
// counts them, and 0 or nothing for the rest.
Machine this_machine();

// "AMD EPYC 7763 64-Core Processor": the first that /proc/cpuinfo names. Empty
// if it names none, as on most Arm machines.
std::string processor_name();

// The value of the first line "key : value" of a file of /proc whose key begins
// with `key`; empty if there is none.
std::string value_in(const std::string& path, const std::string& key);

}  // namespace dure::launch
