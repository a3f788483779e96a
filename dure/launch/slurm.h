// Slurm's compact lists of nodes and of tasks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dure/mesh/topology.h"

namespace dure::mesh {

// SLURM_JOB_NODELIST: "node[01-03,7],gpu5" is node01, node02, node03, node7 and
// gpu5. Several brackets of one name vary like digits, the last one fastest.
// Throws Error where it is not such a list.
std::vector<std::string> parse_node_list(std::string_view text);

// SLURM_TASKS_PER_NODE: "4(x2),3" is 4, 4, 3. Throws Error for anything else.
std::vector<int> parse_tasks_per_node(std::string_view text);

// Slurm's environment of a job step. A single number of tasks without "(xN)"
// holds for every node.
struct SlurmStep {
  std::string node_list;               // SLURM_STEP_NODELIST
  std::string tasks_per_node;          // SLURM_STEP_TASKS_PER_NODE
  std::string distribution = "block";  // SLURM_DISTRIBUTION
};

// The node of each of its ranks.
Topology topology_of(const SlurmStep& step);

}  // namespace dure::mesh
