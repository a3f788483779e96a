// The cores of this machine, and how ranks share them.
#pragma once

#include <vector>

namespace dure::launch {

// The operating system's numbers of the cores that this process may use, those
// that share caches and memory next to one another (hwloc; in a build without
// it, ascending).
std::vector<int> usable_cores();

// Those that the calling thread may use.
std::vector<int> cores_of_thread();

// Neighbouring cores for each rank, near-even; all cores for every rank where
// there are fewer cores than ranks.
std::vector<std::vector<int>> divide_cores(const std::vector<int>& cores,
                                           int ranks);

// The calling thread, and those that it starts from now on, OpenMP's too, stay
// on these cores. Where the system refuses, they go where they like.
void keep_to(const std::vector<int>& cores);

}  // namespace dure::launch
