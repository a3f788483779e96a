#include "dure/comm/sim/plan_cost.h"

#include <algorithm>
#include <numeric>

#include "dure/comm/algorithm/plan.h"

namespace dure::comm {

// Adds up the work of ranks and nodes in each round.
class PlanCost::Builder {
 public:
  Builder(const PlanCostOf& of,
          std::span<const int> nodes,
          const SimNetwork& network)
      : of_(of), nodes_(nodes), network_(network) {}

  std::vector<Round> run() {
    std::vector<int> ranks(nodes_.size());
    std::iota(ranks.begin(), ranks.end(), 0);
    std::stable_sort(ranks.begin(), ranks.end(), [&](int a, int b) {
      return node_of(a) < node_of(b);
    });
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      add_rank(ranks[i]);
      if (i + 1 == ranks.size() || node_of(ranks[i]) != node_of(ranks[i + 1])) {
        end_node();
      }
    }
    return std::move(rounds_);
  }

 private:
  // One direction of a rank or node.
  struct Load {
    Line all = {};
    Line outside = {};  // the part of it that leaves the node
  };
  struct Loads {
    Load out = {};
    Load in = {};
  };

  int node_of(int rank) const { return nodes_[rank]; }

  void add_rank(int rank) {
    const Plan plan = plan_of({.kind = of_.kind,
                               .algorithm = of_.algorithm,
                               .rank = rank,
                               .ranks = static_cast<int>(nodes_.size()),
                               .root = of_.root});
    if (shares_.empty()) {
      find_shares(plan);
    }
    auto step = plan.steps.begin();
    while (step != plan.steps.end()) {
      const int round = step->round;
      Loads loads;
      for (; step != plan.steps.end() && step->round == round; ++step) {
        add_step(rank,
                 *step,
                 step->transfer == Transfer::kSend ? loads.out : loads.in);
      }
      end_round(static_cast<std::size_t>(round), loads);
    }
  }

  // Where the pieces begin, as shares of the whole.
  void find_shares(const Plan& plan) {
    rounds_.resize(static_cast<std::size_t>(plan.rounds));
    node_.resize(rounds_.size());
    const std::int64_t total =
        std::accumulate(of_.counts.begin(), of_.counts.end(), std::int64_t{0});
    const bool even = std::ssize(of_.counts) != plan.pieces || total == 0;
    shares_.push_back(0);
    for (int p = 0; p < plan.pieces; ++p) {
      shares_.push_back(even ? (p + 1.0) / plan.pieces
                             : shares_.back() +
                                   static_cast<double>(of_.counts[p]) /
                                       static_cast<double>(total));
    }
  }

  void add_step(int rank, const Step& step, Load& load) const {
    const Link& link = network_.link(node_of(rank), node_of(step.peer));
    const double share = shares_[step.pieces.last] - shares_[step.pieces.first];
    const double factor =
        step.payload == comm::Payload::kPartial ? of_.partial_factor : 1;
    const Line message = {link.latency_seconds,
                          share * factor / link.bytes_per_second};
    load.all.latency += message.latency;
    load.all.slope += message.slope;
    if (node_of(rank) != node_of(step.peer)) {
      load.outside.latency += message.latency;
      load.outside.slope += message.slope;
    }
  }

  void end_round(std::size_t round, const Loads& loads) {
    add(rounds_[round], loads.out.all);
    add(rounds_[round], loads.in.all);
    join(node_[round].out.outside, loads.out.outside);
    join(node_[round].in.outside, loads.in.outside);
  }

  // The ranks of a node wait side by side, but share its bandwidth.
  static void join(Line& node, const Line& rank) {
    node.latency = std::max(node.latency, rank.latency);
    node.slope += rank.slope;
  }

  void end_node() {
    for (std::size_t round = 0; round < rounds_.size(); ++round) {
      add(rounds_[round], node_[round].out.outside);
      add(rounds_[round], node_[round].in.outside);
      node_[round] = {};
    }
  }

  const PlanCostOf& of_;
  std::span<const int> nodes_;
  const SimNetwork& network_;
  std::vector<double> shares_;
  std::vector<Round> rounds_;
  std::vector<Loads> node_;  // the present one's, by round
};

bool PlanCostOf::operator<(const PlanCostOf& other) const {
  const auto key = [](const PlanCostOf& of) {
    return std::tie(
        of.kind, of.algorithm, of.root, of.partial_factor, of.counts);
  };
  return key(*this) < key(other);
}

PlanCost::PlanCost(const PlanCostOf& of,
                   std::span<const int> nodes,
                   const SimNetwork& network) {
  for (Round& round : Builder(of, nodes, network).run()) {
    std::sort(round.begin(), round.end());
    ++rounds_[round];
  }
}

void PlanCost::add(Round& round, const Line& line) {
  const auto beats = [](const Line& a, const Line& b) {
    return a.latency >= b.latency && a.slope >= b.slope;
  };
  if (std::any_of(round.begin(), round.end(), [&](const Line& other) {
        return beats(other, line);
      })) {
    return;
  }
  std::erase_if(round, [&](const Line& other) { return beats(line, other); });
  round.push_back(line);
}

double PlanCost::seconds(double bytes) const {
  double total = 0;
  for (const auto& [round, count] : rounds_) {
    double slowest = 0;
    for (const Line& line : round) {
      slowest = std::max(slowest, line.latency + line.slope * bytes);
    }
    total += count * slowest;
  }
  return total;
}

}  // namespace dure::comm
