#include "dure/launch/machine.h"

#include <fstream>
#include <unistd.h>

#ifdef DURE_WITH_HWLOC
#include <hwloc.h>
#include <memory>
#endif

namespace dure::launch {
namespace {

Machine as_the_system_says() {
  return {.threads = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN))};
}

#ifdef DURE_WITH_HWLOC

using Topology = std::unique_ptr<hwloc_topology, void (*)(hwloc_topology_t)>;

// Null if hwloc fails.
Topology load_topology() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) {
    return {nullptr, hwloc_topology_destroy};
  }
  Topology topology(raw, hwloc_topology_destroy);
  return hwloc_topology_load(raw) == 0
             ? std::move(topology)
             : Topology(nullptr, hwloc_topology_destroy);
}

int count_of(const Topology& topology, hwloc_obj_type_t type) {
  // The count is negative if objects are at several depths, which ours are not.
  const int count = hwloc_get_nbobjs_by_type(topology.get(), type);
  return count < 0 ? 0 : count;
}

std::vector<NumaNode> numa_nodes_of(const Topology& topology) {
  std::vector<NumaNode> nodes;
  hwloc_obj_t node = nullptr;
  while ((node = hwloc_get_next_obj_by_type(
              topology.get(), HWLOC_OBJ_NUMANODE, node)) != nullptr) {
    NumaNode found{.number = static_cast<int>(node->os_index),
                   .bytes = node->attr->numanode.local_memory};
    for (int thread = hwloc_bitmap_first(node->cpuset); thread >= 0;
         thread = hwloc_bitmap_next(node->cpuset, thread)) {
      found.threads.push_back(thread);
    }
    nodes.push_back(std::move(found));
  }
  return nodes;
}

// The caches of each kind. If their sizes differ, the first one counts.
std::vector<Cache> caches_of(const Topology& topology) {
  struct Kind {
    const char* name;
    hwloc_obj_type_t type;
  };
  constexpr Kind kKinds[] = {{"L1d", HWLOC_OBJ_L1CACHE},
                             {"L2", HWLOC_OBJ_L2CACHE},
                             {"L3", HWLOC_OBJ_L3CACHE},
                             {"L4", HWLOC_OBJ_L4CACHE}};
  std::vector<Cache> caches;
  for (const Kind& kind : kKinds) {
    const hwloc_obj_t first =
        hwloc_get_obj_by_type(topology.get(), kind.type, 0);
    if (first != nullptr) {
      caches.push_back({.name = kind.name,
                        .bytes = first->attr->cache.size,
                        .count = count_of(topology, kind.type)});
    }
  }
  return caches;
}

#endif

}  // namespace

std::string value_in(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (line.starts_with(key) && colon != std::string::npos) {
      const std::size_t first = line.find_first_not_of(" \t", colon + 1);
      return first == std::string::npos ? "" : line.substr(first);
    }
  }
  return "";
}

std::string processor_name() {
  return value_in("/proc/cpuinfo", "model name");
}

#ifdef DURE_WITH_HWLOC
Machine this_machine() {
  const Topology topology = load_topology();
  if (topology == nullptr) {
    return as_the_system_says();
  }
  return {.packages = count_of(topology, HWLOC_OBJ_PACKAGE),
          .cores = count_of(topology, HWLOC_OBJ_CORE),
          .threads = count_of(topology, HWLOC_OBJ_PU),
          .numa_nodes = numa_nodes_of(topology),
          .caches = caches_of(topology)};
}
#else
Machine this_machine() {
  return as_the_system_says();
}
#endif

}  // namespace dure::launch
