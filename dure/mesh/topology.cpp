#include "dure/mesh/topology.h"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <numeric>

#include "dure/base/check.h"

namespace dure::mesh {
namespace {

void check_ranks(const Mesh& mesh, const Topology& topology) {
  DURE_CHECK(topology.ranks() == mesh.size(),
             "wanted the nodes of the mesh's {} ranks, got those of {}",
             mesh.size(),
             topology.ranks());
}

// The ranks of each node, ascending.
std::vector<std::vector<int>> ranks_by_node(const Topology& topology) {
  std::vector<std::vector<int>> result(topology.nodes.size());
  for (int rank = 0; rank < topology.ranks(); ++rank) {
    const auto node = static_cast<std::size_t>(topology.node_of[rank]);
    result.at(node).push_back(rank);
  }
  return result;
}

// Launched ranks in the order in which mesh groups take them: node by node, a
// whole number of groups from each, and then the remaining ranks.
std::vector<int> in_whole_groups(const Topology& launched,
                                 std::ptrdiff_t group) {
  std::vector<int> whole;
  std::vector<int> left;
  for (const std::vector<int>& ranks : ranks_by_node(launched)) {
    const auto count = static_cast<std::ptrdiff_t>(ranks.size());
    const auto end = ranks.begin() + count / group * group;
    whole.insert(whole.end(), ranks.begin(), end);
    left.insert(left.end(), end, ranks.end());
  }
  whole.insert(whole.end(), left.begin(), left.end());
  return whole;
}

// "a, b".
template <typename Items, typename Text>
std::string joined(const Items& items, const char* between, Text text) {
  std::string result;
  for (const auto& item : items) {
    result += result.empty() ? "" : between;
    result += text(item);
  }
  return result;
}

// "[2,3] on a, b".
std::string describe(const Topology& topology, const std::vector<int>& group) {
  const auto digits = [](int rank) { return std::to_string(rank); };
  const auto name = [&](int node) { return topology.nodes[node]; };
  return fmt::format("[{}] on {}",
                     joined(group, ",", digits),
                     joined(nodes_of(topology, group), ", ", name));
}

// The largest part of the tensor axis that divides the ranks of every node.
int largest_within(const Mesh& mesh, const Topology& topology) {
  int common = 0;
  for (const auto& ranks : ranks_by_node(topology)) {
    common = std::gcd(common, static_cast<int>(ranks.size()));
  }
  return std::gcd(common, mesh.size(Axis::kTensor));
}

}  // namespace

Topology topology_of(std::span<const std::string> name_of_rank) {
  Topology topology;
  for (const std::string& name : name_of_rank) {
    auto& nodes = topology.nodes;
    const auto found = std::find(nodes.begin(), nodes.end(), name);
    topology.node_of.push_back(static_cast<int>(found - nodes.begin()));
    if (found == nodes.end()) {
      nodes.push_back(name);
    }
  }
  return topology;
}

Distribution parse_distribution(const std::string& text) {
  const std::string first = text.substr(0, text.find_first_of(":,"));
  if (first == "block") {
    return {};
  }
  if (first == "cyclic") {
    return {.at_a_time = 1};
  }
  constexpr std::string_view kPlane = "plane=";
  int size = 0;
  if (first.starts_with(kPlane)) {
    const char* end = first.data() + first.size();
    const auto read = std::from_chars(first.data() + kPlane.size(), end, size);
    if (read.ec != std::errc() || read.ptr != end) {
      size = 0;
    }
  }
  if (size < 1) {
    throw UsageError(
        "wanted a distribution of ranks to nodes, block, cyclic or "
        "plane=N, got \"{}\"",
        text);
  }
  return {.at_a_time = size};
}

Topology deal(const std::vector<std::string>& nodes,
              const std::vector<int>& counts,
              Distribution distribution) {
  DURE_CHECK(nodes.size() == counts.size(),
             "wanted the number of ranks of each of {} nodes, got {} numbers",
             nodes.size(),
             counts.size());
  Topology topology{.nodes = nodes, .node_of = {}};
  std::vector<int> left = counts;
  while (std::any_of(left.begin(), left.end(), [](int n) { return n > 0; })) {
    for (std::size_t node = 0; node < left.size(); ++node) {
      const int most =
          distribution.at_a_time > 0 ? distribution.at_a_time : left[node];
      const int dealt = std::clamp(left[node], 0, std::max(most, 0));
      topology.node_of.insert(topology.node_of.end(),
                              static_cast<std::size_t>(dealt),
                              static_cast<int>(node));
      left[node] -= dealt;
    }
  }
  return topology;
}

std::vector<int> nodes_of(const Topology& topology,
                          std::span<const int> ranks) {
  std::vector<int> nodes;
  for (const int rank : ranks) {
    const int node = topology.node_of.at(static_cast<std::size_t>(rank));
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) {
      nodes.push_back(node);
    }
  }
  return nodes;
}

std::vector<std::vector<int>> crossing(const Mesh& mesh,
                                       const Topology& topology,
                                       AxisSet axes) {
  check_ranks(mesh, topology);
  std::vector<std::vector<int>> groups = mesh.groups(axes);
  std::erase_if(groups, [&](const std::vector<int>& group) {
    return nodes_of(topology, group).size() == 1;
  });
  return groups;
}

std::vector<int> place(const Mesh& mesh, const Topology& launched) {
  check_ranks(mesh, launched);
  const AxisSet tensor = {Axis::kTensor};
  std::vector<int> places(launched.node_of.size());
  const auto next = in_whole_groups(launched, mesh.size(tensor));
  std::size_t taken = 0;
  for (const std::vector<int>& group : mesh.groups(tensor)) {
    for (const int rank : group) {
      places[next[taken++]] = rank;
    }
  }
  const auto now = crossing(mesh, launched, tensor).size();
  if (crossing(mesh, placed(launched, places), tensor).size() >= now) {
    std::iota(places.begin(), places.end(), 0);
  }
  return places;
}

Topology placed(const Topology& launched, std::span<const int> places) {
  DURE_CHECK(places.size() == launched.node_of.size(),
             "wanted a place for each of {} ranks, got {}",
             launched.ranks(),
             places.size());
  Topology result = launched;
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    result.node_of.at(static_cast<std::size_t>(places[rank])) =
        launched.node_of[rank];
  }
  return result;
}

std::string crossing_warning(const Mesh& mesh, const Topology& topology) {
  constexpr std::size_t kShown = 4;
  const AxisSet tensor = {Axis::kTensor};
  const auto groups = crossing(mesh, topology, tensor);
  if (groups.empty()) {
    return "";
  }
  const std::span<const std::vector<int>> first(
      groups.data(), std::min(groups.size(), kShown));
  std::string shown = joined(first, "; ", [&](const std::vector<int>& group) {
    return describe(topology, group);
  });
  if (groups.size() > kShown) {
    shown += fmt::format("; and {} more", groups.size() - kShown);
  }
  return fmt::format(
      "{} of {} tensor groups cross nodes ({}): each layer then waits for the "
      "network. Start a multiple of {} ranks on every node, or train with "
      "tensor {}, which fits these nodes",
      groups.size(),
      mesh.size() / mesh.size(tensor),
      shown,
      mesh.size(tensor),
      largest_within(mesh, topology));
}

}  // namespace dure::mesh
