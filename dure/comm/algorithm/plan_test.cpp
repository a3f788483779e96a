#include "dure/comm/algorithm/plan.h"

#include <algorithm>
#include <fmt/core.h>
#include <numeric>
#include <span>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::comm {
namespace {

constexpr Kind kCollectives[] = {Kind::kBroadcast,
                                 Kind::kReduce,
                                 Kind::kAllReduce,
                                 Kind::kScatter,
                                 Kind::kGather,
                                 Kind::kAllGather,
                                 Kind::kReduceScatter,
                                 Kind::kAllToAll,
                                 Kind::kBarrier};
constexpr Algorithm kPlanned[] = {Algorithm::kRoot,
                                  Algorithm::kAllToAll,
                                  Algorithm::kRing,
                                  Algorithm::kChain,
                                  Algorithm::kHalvingDoubling,
                                  Algorithm::kTree};

bool rooted(Kind kind) {
  return kind == Kind::kBroadcast || kind == Kind::kReduce ||
         kind == Kind::kScatter || kind == Kind::kGather;
}

std::vector<Plan> plans_of(Kind kind,
                           Algorithm algorithm,
                           int ranks,
                           int root) {
  std::vector<Plan> plans;
  for (int rank = 0; rank < ranks; ++rank) {
    plans.push_back(plan_of({.kind = kind,
                             .algorithm = algorithm,
                             .rank = rank,
                             .ranks = ranks,
                             .root = root}));
  }
  return plans;
}

// A piece's value: the sum, in 64 bits, of its contributors' numbers. Another
// set of contributors has the same sum with probability 2^-64.
using Value = std::uint64_t;
constexpr Value kUnknown = 0;

// The number that `rank` contributes to `piece`: SplitMix64 of both.
Value given_by(int rank, int piece) {
  Value x = (Value(rank) << 32) + Value(piece) + 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

// Runs all ranks' plans on symbols: in each round everything is sent, then
// received, and receivers are compared with senders.
class Symbols {
 public:
  explicit Symbols(const std::vector<Plan>& plans)
      : plans_(plans),
        ranks_(static_cast<int>(plans.size())),
        pieces_(plans[0].pieces),
        kind_(plans[0].of.kind),
        next_(plans.size()),
        totals_(static_cast<std::size_t>(pieces_)) {
    for (int rank = 0; rank < ranks_; ++rank) {
      for (int piece = 0; piece < pieces_; ++piece) {
        totals_[piece] += given_by(rank, piece);
        values_.push_back(at_first(rank, piece));
      }
    }
    taken_ = kind_ == Kind::kAllToAll
                 ? std::vector<Value>(values_.size(), kUnknown)
                 : std::vector<Value>();
  }

  void run() {
    for (int round = 0; round < plans_[0].rounds; ++round) {
      run_round(round);
    }
    for (int rank = 0; rank < ranks_; ++rank) {
      ASSERT_EQ(plans_[rank].rounds, plans_[0].rounds);
      ASSERT_EQ(next_[rank], plans_[rank].steps.size());
    }
  }

  // A rank's final value of a piece.
  Value value(int rank, int piece) const {
    return values_[std::size_t(rank) * pieces_ + piece];
  }
  Value taken(int rank, int piece) const {
    return taken_[std::size_t(rank) * pieces_ + piece];
  }
  Value total(int piece) const { return totals_[piece]; }

 private:
  struct Message {
    int from;
    int to;
    const Step* sent;
    std::size_t values;  // where in sent_values_
  };

  Value at_first(int rank, int piece) const {
    const int root = plans_[0].of.root;
    switch (kind_) {
      case Kind::kBroadcast:
      case Kind::kScatter:
        return rank == root ? given_by(root, piece) : kUnknown;
      case Kind::kGather:
      case Kind::kAllGather:
        return rank == piece ? given_by(rank, piece) : kUnknown;
      default:
        return given_by(rank, piece);
    }
  }

  Value& slot(int rank, int piece) {
    return values_[std::size_t(rank) * pieces_ + piece];
  }

  void check_payload(int rank, int piece, Payload payload) {
    if (is_reduction(kind_)) {
      const Value value = slot(rank, piece);
      ASSERT_EQ(value == given_by(rank, piece), payload == Payload::kSummand);
      ASSERT_EQ(value == totals_[piece], payload == Payload::kData);
    } else {
      ASSERT_EQ(payload, Payload::kData);
      ASSERT_NE(slot(rank, piece), kUnknown);
    }
  }

  void send(int rank, const Step& step) {
    messages_.push_back({rank, step.peer, &step, sent_values_.size()});
    ASSERT_LT(step.pieces.first, step.pieces.last);
    ASSERT_LE(step.pieces.last, pieces_);
    ASSERT_NE(step.peer, rank);
    for (int p = step.pieces.first; p < step.pieces.last; ++p) {
      check_payload(rank, p, step.payload);
      sent_values_.push_back(slot(rank, p));
    }
  }

  void receive(int rank, const Step& step, const Message& message) {
    ASSERT_EQ(message.from, step.peer);
    ASSERT_EQ(message.sent->payload, step.payload);
    ASSERT_EQ(step.transfer == Transfer::kReduce,
              step.payload != Payload::kData);
    if (kind_ == Kind::kAllToAll) {
      taken_[std::size_t(rank) * pieces_ + step.pieces.first] =
          sent_values_[message.values];
      return;
    }
    ASSERT_EQ(message.sent->pieces, step.pieces);
    for (int p = step.pieces.first; p < step.pieces.last; ++p) {
      const Value value = sent_values_[message.values + p - step.pieces.first];
      slot(rank, p) =
          step.transfer == Transfer::kReduce ? slot(rank, p) + value : value;
    }
  }

  void run_round(int round) {
    messages_.clear();
    sent_values_.clear();
    std::vector<std::pair<int, const Step*>> receives;
    for (int rank = 0; rank < ranks_; ++rank) {
      const std::vector<Step>& steps = plans_[rank].steps;
      for (; next_[rank] < steps.size() && steps[next_[rank]].round == round;
           ++next_[rank]) {
        const Step& step = steps[next_[rank]];
        if (step.transfer == Transfer::kSend) {
          send(rank, step);
        } else {
          receives.emplace_back(rank, &step);
        }
      }
    }
    // Messages between two ranks are in order.
    std::stable_sort(
        messages_.begin(), messages_.end(), [](const auto& a, const auto& b) {
          return std::tie(a.to, a.from) < std::tie(b.to, b.from);
        });
    std::stable_sort(
        receives.begin(), receives.end(), [](const auto& a, const auto& b) {
          return std::tie(a.first, a.second->peer) <
                 std::tie(b.first, b.second->peer);
        });
    ASSERT_EQ(messages_.size(), receives.size()) << "round " << round;
    for (std::size_t i = 0; i < receives.size(); ++i) {
      ASSERT_EQ(messages_[i].to, receives[i].first);
      receive(receives[i].first, *receives[i].second, messages_[i]);
    }
  }

  const std::vector<Plan>& plans_;
  int ranks_;
  int pieces_;
  Kind kind_;
  std::vector<std::size_t> next_;
  std::vector<Value> totals_;
  std::vector<Value> values_;  // by rank, by piece
  std::vector<Value> taken_;   // all_to_all's y
  std::vector<Message> messages_;
  std::vector<Value> sent_values_;
};

void expect_result(const Symbols& symbols, const PlanKey& of, int pieces) {
  for (int rank = 0; rank < of.ranks; ++rank) {
    for (int p = 0; p < pieces; ++p) {
      switch (of.kind) {
        case Kind::kBroadcast:
          ASSERT_EQ(symbols.value(rank, p), given_by(of.root, p));
          break;
        case Kind::kReduce:
          ASSERT_TRUE(rank != of.root ||
                      symbols.value(rank, p) == symbols.total(p));
          break;
        case Kind::kAllReduce:
          ASSERT_EQ(symbols.value(rank, p), symbols.total(p));
          break;
        case Kind::kReduceScatter:
          ASSERT_TRUE(rank != p || symbols.value(rank, p) == symbols.total(p));
          break;
        case Kind::kScatter:
          ASSERT_TRUE(rank != p ||
                      symbols.value(rank, p) == given_by(of.root, p));
          break;
        case Kind::kGather:
          ASSERT_TRUE(rank != of.root ||
                      symbols.value(rank, p) == given_by(p, p));
          break;
        case Kind::kAllGather:
          ASSERT_EQ(symbols.value(rank, p), given_by(p, p));
          break;
        default:  // all_to_all: a rank's own part does not travel
          ASSERT_TRUE(rank == p || symbols.taken(rank, p) == given_by(p, rank));
          break;
      }
    }
  }
}

// No rank leaves a barrier before word of every other has reached it.
void expect_all_met(const std::vector<Plan>& plans) {
  const std::size_t ranks = plans.size();
  std::vector<std::vector<bool>> knows(ranks, std::vector<bool>(ranks));
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    knows[rank][rank] = true;
  }
  for (int round = 0; round < plans[0].rounds; ++round) {
    const auto before = knows;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      for (const Step& step : plans[rank].steps) {
        if (step.round == round && step.transfer != Transfer::kSend) {
          for (std::size_t other = 0; other < ranks; ++other) {
            knows[rank][other] =
                knows[rank][other] || before[std::size_t(step.peer)][other];
          }
        }
      }
    }
  }
  for (const auto& known : knows) {
    ASSERT_EQ(std::count(known.begin(), known.end(), true), std::ssize(known));
  }
}

void expect_right(Kind kind, Algorithm algorithm, int ranks, int root) {
  SCOPED_TRACE(fmt::format("{} by {} of {} ranks, root {}",
                           name_of(kind),
                           name_of(algorithm),
                           ranks,
                           root));
  const std::vector<Plan> plans = plans_of(kind, algorithm, ranks, root);
  if (kind == Kind::kBarrier) {
    return expect_all_met(plans);
  }
  Symbols symbols(plans);
  ASSERT_NO_FATAL_FAILURE(symbols.run());
  expect_result(symbols, plans[0].of, plans[0].pieces);
}

std::vector<int> roots_of(Kind kind, int ranks) {
  if (!rooted(kind)) {
    return {0};
  }
  std::vector<int> roots = {0, 1 % ranks, ranks / 2, ranks - 1};
  std::sort(roots.begin(), roots.end());
  roots.erase(std::unique(roots.begin(), roots.end()), roots.end());
  return roots;
}

class Plans : public testing::TestWithParam<int> {};

TEST_P(Plans, GiveEveryRankEveryContributionOnce) {
  for (const Kind kind : kCollectives) {
    for (const Algorithm algorithm : kPlanned) {
      if (has_plan(kind, algorithm, SumOrder::kFast)) {
        for (const int root : roots_of(kind, GetParam())) {
          ASSERT_NO_FATAL_FAILURE(
              expect_right(kind, algorithm, GetParam(), root));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Plans, testing::Range(1, 18));
INSTANTIATE_TEST_SUITE_P(MoreSizes,
                         Plans,
                         testing::Values(31, 32, 33, 64, 100));

TEST(Plan, IsRightOfAThousandRanks) {
  for (const Algorithm algorithm : kPlanned) {
    expect_right(Kind::kAllReduce, algorithm, 1024, 0);
  }
  expect_right(Kind::kAllReduce, Algorithm::kHalvingDoubling, 1000, 0);
  expect_right(Kind::kReduceScatter, Algorithm::kRing, 1024, 0);
  expect_right(Kind::kAllGather, Algorithm::kHalvingDoubling, 1023, 0);
  expect_right(Kind::kBroadcast, Algorithm::kTree, 1023, 511);
  expect_right(Kind::kAllToAll, Algorithm::kAllToAll, 1024, 0);
}

TEST(Plan, IsMissingWhereThereIsNone) {
  EXPECT_FALSE(has_plan(Kind::kSend, Algorithm::kRing, SumOrder::kFast));
  EXPECT_FALSE(has_plan(Kind::kAllReduce, Algorithm::kDirect, SumOrder::kFast));
  EXPECT_FALSE(has_plan(Kind::kAllToAll, Algorithm::kTree, SumOrder::kFast));
  EXPECT_FALSE(has_plan(Kind::kAllReduce, Algorithm::kRing, SumOrder::kRanked));
  EXPECT_TRUE(has_plan(Kind::kAllGather, Algorithm::kRing, SumOrder::kRanked));
  EXPECT_THROW(
      plan_of(
          {.kind = Kind::kScatter, .algorithm = Algorithm::kRing, .ranks = 4}),
      Error);
  EXPECT_THROW(plan_of({.rank = 4, .ranks = 4}), Error);
}

// A sum by its order: the ranks that were added from left to right, or that
// they were not.
struct Chain {
  int first = 0;
  int last = 0;  // first > last: not in order
};
constexpr Chain kOutOfOrder = {1, 0};

Chain added(const Chain& left, const Chain& right) {
  const bool in_order = left.first == 0 && right.first == right.last &&
                        right.first == left.last + 1;
  return in_order ? Chain{0, right.last} : kOutOfOrder;
}

// Runs the sums of one piece as the executor makes them: the rank's own and
// what came, in the order of the ranks.
bool sums_are_ranked(Kind kind, Algorithm algorithm, int ranks, int piece) {
  const std::vector<Plan> plans = plans_of(kind, algorithm, ranks, 0);
  std::vector<Chain> chains;
  for (int rank = 0; rank < ranks; ++rank) {
    chains.push_back({rank, rank});
  }
  for (int round = 0; round < plans[0].rounds; ++round) {
    const std::vector<Chain> before = chains;
    for (int rank = 0; rank < ranks; ++rank) {
      std::vector<int> summands = {rank};
      for (const Step& step : plans[rank].steps) {
        if (step.round == round && step.transfer == Transfer::kReduce &&
            step.pieces.first <= piece && piece < step.pieces.last) {
          summands.push_back(step.peer);
        }
      }
      std::sort(summands.begin(), summands.end());
      Chain sum = before[summands[0]];
      for (const int summand : std::span(summands).subspan(1)) {
        sum = added(sum, before[summand]);
      }
      chains[rank] = sum;
    }
  }
  return std::any_of(chains.begin(), chains.end(), [&](const Chain& chain) {
    return chain.first == 0 && chain.last == ranks - 1;
  });
}

TEST(Plan, AddsInTheOrderOfTheRanksWhereItSaysSo) {
  for (const int ranks : {2, 3, 4, 7, 8, 16, 33}) {
    for (const Kind kind :
         {Kind::kReduce, Kind::kAllReduce, Kind::kReduceScatter}) {
      for (const Algorithm algorithm : kPlanned) {
        if (!has_plan(kind, algorithm, SumOrder::kRanked)) {
          continue;
        }
        const int pieces =
            plan_of({.kind = kind, .algorithm = algorithm, .ranks = ranks})
                .pieces;
        for (int piece = 0; piece < pieces; ++piece) {
          EXPECT_TRUE(sums_are_ranked(kind, algorithm, ranks, piece))
              << name_of(kind) << " by " << name_of(algorithm) << " of "
              << ranks;
        }
      }
    }
  }
}

// Other algorithms are not ranked, so the distinction is not empty.
TEST(Plan, OfATreeOrRingAddsInAnotherOrder) {
  EXPECT_FALSE(sums_are_ranked(Kind::kAllReduce, Algorithm::kTree, 4, 0));
  EXPECT_FALSE(sums_are_ranked(Kind::kAllReduce, Algorithm::kRing, 4, 1));
  EXPECT_FALSE(
      sums_are_ranked(Kind::kAllReduce, Algorithm::kHalvingDoubling, 4, 0));
}

std::int64_t sent_by(const PlanKey& of, std::int64_t elements) {
  const Plan plan = plan_of(of);
  return traffic_of(plan, even_counts(elements, plan.pieces)).elements;
}

TEST(PlanTraffic, OfARingIsTwiceTheBytesLessAPart) {
  constexpr std::int64_t kElements = 840 * 1024;  // divides by all of these
  for (const int ranks : {2, 3, 4, 5, 8, 64, 1024}) {
    for (const int rank : {0, ranks / 2, ranks - 1}) {
      EXPECT_EQ(
          sent_by({.algorithm = Algorithm::kRing, .rank = rank, .ranks = ranks},
                  kElements),
          2 * (ranks - 1) * kElements / ranks);
    }
  }
}

// A ring moves 1.0 S, 1.5 S, 1.75 S on 2, 4, 8 ranks.
TEST(PlanTraffic, OfARingIsThatOfTheTutorials) {
  constexpr std::int64_t kElements = 1000 * 8;
  const auto share = [&](int ranks) {
    return static_cast<double>(sent_by(
               {.algorithm = Algorithm::kRing, .ranks = ranks}, kElements)) /
           kElements;
  };
  EXPECT_EQ(share(2), 1.0);
  EXPECT_EQ(share(4), 1.5);
  EXPECT_EQ(share(8), 1.75);
}

// There are 124,439,808 gradients on 4 ranks: 746.64 MB in f32, 373.32 in f16.
TEST(PlanTraffic, OfTheGradientsOfGpt2Small) {
  constexpr std::int64_t kGradients = 124'439'808;
  const std::int64_t elements =
      sent_by({.algorithm = Algorithm::kRing, .ranks = 4}, kGradients);
  EXPECT_EQ(elements * 4, 746'638'848);
  EXPECT_EQ(elements * 2, 373'319'424);
}

// A chain sends whole tensors, one hop after another; a ring uses all links at
// once.
TEST(PlanTraffic, OfAChainIsHopsOfEverything) {
  constexpr std::int64_t kElements = 1000;
  for (const int ranks : {2, 3, 4, 8}) {
    std::int64_t hops = 0;
    std::int64_t most = 0;
    for (const Plan& plan :
         plans_of(Kind::kAllReduce, Algorithm::kChain, ranks, 0)) {
      const PlanTraffic traffic = traffic_of(plan, {kElements});
      hops += traffic.messages;
      most = std::max(most, traffic.elements);
      EXPECT_EQ(traffic.elements, traffic.messages * kElements);
      EXPECT_EQ(plan.rounds, 2 * (ranks - 1));
    }
    EXPECT_EQ(hops, 2 * (ranks - 1));
    EXPECT_EQ(most, (ranks == 2 ? 1 : 2) * kElements);
  }
}

TEST(PlanTraffic, OfHalvingDoublingHasFewMessages) {
  for (const int ranks : {2, 4, 8, 1024}) {
    const Plan plan =
        plan_of({.algorithm = Algorithm::kHalvingDoubling, .ranks = ranks});
    const PlanTraffic traffic =
        traffic_of(plan, even_counts(1024, plan.pieces));
    EXPECT_EQ(traffic.elements, 2 * (ranks - 1) * 1024 / ranks);
    EXPECT_EQ(1 << (traffic.messages / 2), ranks);
  }
}

// Checks the drawing in plan_tree.cpp.
TEST(Plan, OfATreeIsAsDrawn) {
  std::vector<int> parents;
  for (const Plan& plan : plans_of(Kind::kBroadcast, Algorithm::kTree, 6, 0)) {
    for (const Step& step : plan.steps) {
      if (step.transfer == Transfer::kReceive) {
        parents.push_back(step.peer);
      }
    }
  }
  EXPECT_EQ(parents, (std::vector<int>{0, 0, 2, 0, 4}));  // of ranks 1 to 5
}

TEST(PlanTraffic, CountsPartialSumsApart) {
  // On 4 ranks, each sends its own summand first, then 2 partial sums.
  const Plan plan = plan_of({.algorithm = Algorithm::kRing, .ranks = 4});
  EXPECT_EQ(traffic_of(plan, even_counts(400, 4)).partial_elements, 200);
}

}  // namespace
}  // namespace dure::comm
