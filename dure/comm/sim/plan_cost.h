// The time of a plan on a network of nodes, as a function of the bytes.
//
// A rank sends one message and receives one at a time. A message takes latency
// + n / bandwidth of its link. All messages between a node and the others share
// the node's link, in either direction. A round takes as long as its slowest
// rank or node, and the next one starts when it is over.
#pragma once

#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "dure/comm/algorithm/choose.h"
#include "dure/comm/collective.h"

namespace dure::comm {

struct SimNetwork {
  int ranks_per_node = 1;  // ranks of the world, in turn
  Link inside = {.latency_seconds = 1e-6, .bytes_per_second = 1e11};
  Link between = {.latency_seconds = 5e-6, .bytes_per_second = 2.5e10};

  int node_of(int world_rank) const { return world_rank / ranks_per_node; }
  const Link& link(int node, int other) const {
    return node == other ? inside : between;
  }
};

struct PlanCostOf {
  Kind kind = Kind::kAllReduce;
  Algorithm algorithm = Algorithm::kRing;
  int root = 0;
  // The size of a partial sum, in sizes of an element: 2 if 16-bit floats are
  // summed.
  double partial_factor = 1;
  Counts counts = {};  // of the parts; empty: near-even

  bool operator<(const PlanCostOf& other) const;
};

class PlanCost {
 public:
  // Goes through the plans of all ranks; the i-th rank is on nodes[i].
  PlanCost(const PlanCostOf& of,
           std::span<const int> nodes,
           const SimNetwork& network);

  double seconds(double bytes) const;

 private:
  // latency + slope * bytes.
  struct Line {
    double latency = 0;
    double slope = 0;
    bool operator<(const Line& other) const {
      return std::tie(latency, slope) < std::tie(other.latency, other.slope);
    }
  };
  // The lines that can be the slowest of a round: none is above another at all
  // sizes.
  using Round = std::vector<Line>;
  class Builder;

  static void add(Round& round, const Line& line);

  std::map<Round, int> rounds_;  // how many there are of each
};

}  // namespace dure::comm
