#include "dure/comm/algorithm/choose.h"

#include <bit>
#include <limits>

#include "dure/comm/algorithm/plan.h"

namespace dure::comm {
namespace {

// The number of messages one after another, and the bytes in units of the
// whole.
struct Cost {
  double messages = 0;
  double wholes = 0;

  Cost operator+(const Cost& other) const {
    return {messages + other.messages, wholes + other.wholes};
  }
};

Cost times(double count, const Cost& cost) {
  return {count * cost.messages, count * cost.wholes};
}

constexpr Cost kWhole = {.messages = 1, .wholes = 1};

// The costs of a kind's two halves, bringing together and handing out: with
// everything in every message, or with parts.
struct Halves {
  Cost whole;  // reduce, broadcast
  Cost parts;  // gather, scatter
};

Cost through_one(Kind kind, const Halves& halves) {
  switch (kind) {
    case Kind::kBroadcast:
    case Kind::kReduce:
      return halves.whole;
    case Kind::kScatter:
    case Kind::kGather:
      return halves.parts;
    case Kind::kAllGather:
    case Kind::kReduceScatter:
      return halves.parts + halves.whole;
    default:  // all_reduce, barrier
      return halves.whole + halves.whole;
  }
}

bool is_one_way(Kind kind) {
  return kind == Kind::kAllGather || kind == Kind::kReduceScatter ||
         kind == Kind::kAllToAll || kind == Kind::kBarrier;
}

Cost cost_of_ring(Kind kind, double ranks) {
  const Cost once = {ranks - 1, (ranks - 1) / ranks};
  return is_one_way(kind) ? once : once + once;
}

Cost cost_of_chain(Kind kind, double ranks) {
  switch (kind) {
    case Kind::kBroadcast:
      return times(ranks - 1, kWhole);
    case Kind::kReduce:  // to a root other than the last: one hop more
      return times(ranks > 1 ? ranks : 0, kWhole);
    default:
      return times(2 * (ranks - 1), kWhole);
  }
}

Cost cost_of_halving_doubling(Kind kind, int ranks) {
  const auto width = static_cast<unsigned>(ranks);
  const double core = std::bit_floor(width);
  const double rounds = std::bit_width(width) - 1;
  const Cost once = {rounds, (core - 1) / core};
  const Cost pair = core < ranks ? kWhole : Cost();
  const Cost part = core < ranks ? Cost{1, 1.0 / ranks} : Cost();
  switch (kind) {
    case Kind::kBroadcast:
    case Kind::kReduce:
      return once + once + pair;
    case Kind::kAllGather:
    case Kind::kReduceScatter:
      return once + pair + part;
    case Kind::kBarrier:
      return {static_cast<double>(std::bit_width(width - 1)), 0};
    default:
      return once + once + pair + pair;
  }
}

Cost cost_of(Kind kind, Algorithm algorithm, int ranks) {
  const double others = ranks - 1;
  const Cost parts = {others, others / ranks};
  const double height = std::bit_width(static_cast<unsigned>(ranks - 1));
  switch (algorithm) {
    case Algorithm::kRoot:
      return through_one(kind,
                         {.whole = times(others, kWhole), .parts = parts});
    case Algorithm::kTree:
      return through_one(
          kind,
          {.whole = times(height, kWhole), .parts = {height, others / ranks}});
    case Algorithm::kChain:
      return cost_of_chain(kind, ranks);
    case Algorithm::kHalvingDoubling:
      return cost_of_halving_doubling(kind, ranks);
    default:  // all-to-all sends as many messages, if in fewer rounds
      return cost_of_ring(kind, ranks);
  }
}

// If two take the same time, the first is chosen.
constexpr Algorithm kByPreference[] = {Algorithm::kTree,
                                       Algorithm::kHalvingDoubling,
                                       Algorithm::kRing,
                                       Algorithm::kAllToAll,
                                       Algorithm::kRoot,
                                       Algorithm::kChain};

}  // namespace

double seconds_of(
    Kind kind, Algorithm algorithm, double bytes, int ranks, const Link& link) {
  const Cost cost = cost_of(kind, algorithm, ranks);
  return cost.messages * link.latency_seconds +
         cost.wholes * bytes / link.bytes_per_second;
}

Algorithm choose(
    Kind kind, double bytes, int ranks, SumOrder order, const Link& link) {
  if (kind == Kind::kScatter || kind == Kind::kGather) {
    return Algorithm::kRoot;
  }
  Algorithm best = Algorithm::kRoot;
  double least = std::numeric_limits<double>::infinity();
  for (const Algorithm algorithm : kByPreference) {
    if (has_plan(kind, algorithm, order)) {
      const double seconds = seconds_of(kind, algorithm, bytes, ranks, link);
      if (seconds < least) {
        best = algorithm;
        least = seconds;
      }
    }
  }
  return best;
}

}  // namespace dure::comm
