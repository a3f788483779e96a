// The cores of this machine, and how ranks share them.
#pragma once

#include <vector>

namespace dure::launch {

// The operating system's numbers of the cores that this process may use. Cores
// that share caches and memory stand next to one another (by hwloc; without it
// the numbers ascend).
std::vector<int> usable_cores();

// The cores that the calling thread may use.
std::vector<int> cores_of_thread();

// Neighbouring cores for each rank, near-even. If there are fewer cores than
// ranks, every rank gets all of them.
std::vector<std::vector<int>> divide_cores(const std::vector<int>& cores,
                                           int ranks);

// For each share, all usable cores whose memory is as near as that of one of
// its own cores. A rank may run on any of them, and the system can move it
// there when another program takes a core of its share.
std::vector<std::vector<int>> neighbourhoods(
    const std::vector<std::vector<int>>& shares);

// Keeps the calling thread, and those that it starts from now on, on these
// cores. If the system refuses, nothing changes.
void keep_to(const std::vector<int>& cores);

}  // namespace dure::launch
