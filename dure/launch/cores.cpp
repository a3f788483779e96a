#include "dure/launch/cores.h"

#include <map>
#include <pthread.h>
#include <sched.h>
#include <set>
#include <unistd.h>

#ifdef DURE_WITH_HWLOC
#include <hwloc.h>
#endif

namespace dure::launch {
namespace {

bool is_allowed(const cpu_set_t& set, int core) {
  return core < CPU_SETSIZE && CPU_ISSET(core, &set);
}

// A core, and the number of the memory nearest to it.
struct Place {
  int core = 0;
  int memory = 0;
};

std::vector<Place> places() {
  std::vector<Place> places;
#ifdef DURE_WITH_HWLOC
  hwloc_topology_t topology = nullptr;
  hwloc_topology_init(&topology);
  if (hwloc_topology_load(topology) == 0) {
    hwloc_obj_t unit = nullptr;
    while ((unit = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, unit)) !=
           nullptr) {
      places.push_back({static_cast<int>(unit->os_index),
                        hwloc_bitmap_first(unit->nodeset)});
    }
  }
  hwloc_topology_destroy(topology);
#else
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    places.push_back({core});
  }
#endif
  return places;
}

// The cores of a thread; 0 is the calling one.
std::vector<int> allowed_to(pid_t thread) {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(thread, sizeof set, &set);
  std::vector<int> cores;
  for (const Place& place : places()) {
    if (is_allowed(set, place.core)) {
      cores.push_back(place.core);
    }
  }
  return cores;
}

}  // namespace

// The cores of the process's first thread, which is never restricted to a
// share.
std::vector<int> usable_cores() {
  return allowed_to(::getpid());
}

std::vector<int> cores_of_thread() {
  return allowed_to(0);
}

std::vector<std::vector<int>> divide_cores(const std::vector<int>& cores,
                                           int ranks) {
  const auto count = static_cast<int>(cores.size());
  std::vector<std::vector<int>> shares;
  for (int rank = 0; rank < ranks; ++rank) {
    if (count < ranks) {
      shares.push_back(cores);
    } else {
      shares.emplace_back(cores.begin() + count * rank / ranks,
                          cores.begin() + count * (rank + 1) / ranks);
    }
  }
  return shares;
}

std::vector<std::vector<int>> neighbourhoods(
    const std::vector<std::vector<int>>& shares) {
  std::map<int, int> memory_of;
  for (const Place& place : places()) {
    memory_of[place.core] = place.memory;
  }
  const std::vector<int> usable = usable_cores();
  std::vector<std::vector<int>> all;
  for (const std::vector<int>& share : shares) {
    std::set<int> memories;
    for (const int core : share) {
      memories.insert(memory_of[core]);
    }
    all.push_back(usable);
    std::erase_if(all.back(), [&](int core) {
      return memories.count(memory_of[core]) == 0;
    });
  }
  return all;
}

void keep_to(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) {
    CPU_SET(core, &set);
  }
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

}  // namespace dure::launch
