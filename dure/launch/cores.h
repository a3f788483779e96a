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

// For each share all usable cores whose memory is as near as that of one of its
// own: where a rank may well be, and where the system can move it to when
// another program takes a core of its share.
std::vector<std::vector<int>> neighbourhoods(
    const std::vector<std::vector<int>>& shares);

// The calling thread, and those that it starts from now on, stay on these
// cores. Where the system refuses, they go where they like.
void keep_to(const std::vector<int>& cores);

}  // namespace dure::launch
