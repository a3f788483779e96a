// Which node each rank is on, and where on the mesh it should therefore stand.
// Arithmetic only: the callers that know the nodes (from MPI's shared-memory
// split, Slurm's environment, or hwloc) fill in a Topology.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "dure/mesh/mesh.h"

namespace dure::mesh {

// A node is a set of ranks with fast links: a host, or a package of one host.
struct Topology {
  std::vector<std::string> nodes;  // their names
  std::vector<int> node_of;        // of each rank, into `nodes`

  int ranks() const { return static_cast<int>(node_of.size()); }
  bool operator==(const Topology&) const = default;
};

// From the name of each rank's node; nodes in the order in which they appear.
Topology topology_of(std::span<const std::string> name_of_rank);

// How a launcher deals ranks to nodes: so many at a time to each node in turn,
// passing over full ones. It covers Slurm's block, cyclic and plane=N.
struct Distribution {
  int at_a_time = 0;  // 0: as many as the node takes
  bool operator==(const Distribution&) const = default;
};

// "block", "cyclic" or "plane=N", without what may follow a ':' or ',' in
// --distribution and SLURM_DISTRIBUTION. Throws UsageError.
Distribution parse_distribution(const std::string& text);

// `counts`: ranks of each node.
Topology deal(const std::vector<std::string>& nodes,
              const std::vector<int>& counts,
              Distribution distribution = {});

// The nodes of these ranks, each once, in the order in which they appear.
std::vector<int> nodes_of(const Topology& topology, std::span<const int> ranks);

// The groups over `axes` whose ranks are on more than one node.
std::vector<std::vector<int>> crossing(const Mesh& mesh,
                                       const Topology& topology,
                                       AxisSet axes);

// The mesh rank of each launched rank: a permutation under which as many tensor
// groups as possible lie within a node. If all do already, ranks stay as they
// are. Otherwise nodes take mesh ranks in the order of the nodes, so that
// neighbours on the next axes are near each other too; groups that no node has
// room for come last.
std::vector<int> place(const Mesh& mesh, const Topology& launched);

// Nodes by mesh rank, once launched ranks stand at `places`.
Topology placed(const Topology& launched, std::span<const int> places);

// A warning if tensor groups cross nodes: which, why it is slow, and what to
// change. Empty if none does.
std::string crossing_warning(const Mesh& mesh, const Topology& topology);

}  // namespace dure::mesh
