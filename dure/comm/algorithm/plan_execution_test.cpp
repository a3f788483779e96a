#include "dure/comm/algorithm/plan_execution.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <fmt/core.h>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "dure/comm/algorithm/reduce.h"
#include "dure/comm/error.h"

namespace dure::comm {
namespace {

// Messages between ranks of one thread. A message is carried once both sides
// have posted it; a test() reports it sooner or later.
class Network {
 public:
  explicit Network(unsigned seed) : random_(seed) {}

  Transport::Ticket post_send(int from,
                              int to,
                              int tag,
                              std::span<const std::byte> bytes) {
    sends_[{from, to, tag}].push_back({done_.size(), bytes});
    return post({from, to, tag});
  }
  Transport::Ticket post_receive(int from,
                                 int to,
                                 int tag,
                                 std::span<std::byte> bytes) {
    receives_[{from, to, tag}].push_back({done_.size(), bytes});
    return post({from, to, tag});
  }
  bool test(Transport::Ticket ticket) {
    return done_[ticket] && random_() % 2 == 0;
  }
  bool is_empty() const {
    const auto none = [](const auto& queue) { return queue.second.empty(); };
    return std::all_of(sends_.begin(), sends_.end(), none) &&
           std::all_of(receives_.begin(), receives_.end(), none);
  }
  std::mt19937& random() { return random_; }

 private:
  using Lane = std::tuple<int, int, int>;  // from, to, tag
  template <typename Bytes>
  struct Posted {
    Transport::Ticket ticket;
    Bytes bytes;
  };

  Transport::Ticket post(const Lane& lane) {
    done_.push_back(false);
    auto& sends = sends_[lane];
    auto& receives = receives_[lane];
    if (!sends.empty() && !receives.empty()) {
      const auto& [send_ticket, from] = sends.front();
      const auto& [receive_ticket, to] = receives.front();
      EXPECT_EQ(from.size(), to.size());
      if (!from.empty()) {
        std::memcpy(to.data(), from.data(), from.size());
      }
      done_[send_ticket] = done_[receive_ticket] = true;
      sends.pop_front();
      receives.pop_front();
    }
    return done_.size() - 1;
  }

  std::mt19937 random_;
  std::vector<bool> done_;
  std::map<Lane, std::deque<Posted<std::span<const std::byte>>>> sends_;
  std::map<Lane, std::deque<Posted<std::span<std::byte>>>> receives_;
};

class Port final : public Transport {
 public:
  Port(Network& network, int rank) : network_(network), rank_(rank) {}
  Ticket send(int peer, int tag, std::span<const std::byte> bytes) override {
    return network_.post_send(rank_, peer, tag, bytes);
  }
  Ticket receive(int peer, int tag, std::span<std::byte> bytes) override {
    return network_.post_receive(peer, rank_, tag, bytes);
  }
  bool test(Ticket ticket) override { return network_.test(ticket); }

 private:
  Network& network_;
  int rank_;
};

// Elements of any type; 64-byte aligned.
class Data {
 public:
  Data(DType dtype, std::int64_t count)
      : dtype_(dtype), count_(count), bytes_(count * size_of(dtype) + 1) {}

  Tensor tensor() { return {bytes_.data(), Shape{count_}, dtype_}; }
  Tensor part(std::int64_t first, std::int64_t count) {
    return {bytes_.data() + first * size_of(dtype_), Shape{count}, dtype_};
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  DType dtype_;
  std::int64_t count_;
  std::vector<std::byte> bytes_;
};

void set(const Tensor& x, std::int64_t i, double value) {
  const Tensor one = x.rows(i, 1);
  switch (x.dtype()) {
    case DType::kF32:
      *static_cast<float*>(one.bytes()) = static_cast<float>(value);
      break;
    case DType::kF64:
      *static_cast<double*>(one.bytes()) = value;
      break;
    case DType::kI32:
      *static_cast<std::int32_t*>(one.bytes()) =
          static_cast<std::int32_t>(value);
      break;
    case DType::kI64:
      *static_cast<std::int64_t*>(one.bytes()) =
          static_cast<std::int64_t>(value);
      break;
    case DType::kU8:
      *static_cast<std::uint8_t*>(one.bytes()) =
          static_cast<std::uint8_t>(value);
      break;
    default: {
      float narrow = static_cast<float>(value);
      convert(one, Tensor(&narrow, Shape{1}));
    }
  }
}

bool is_whole(DType dtype) {
  return dtype == DType::kI32 || dtype == DType::kI64 || dtype == DType::kU8;
}

// Values whose sums are exact in f32, in any order, but not in 16 bits: 1 + k /
// 128. For products: powers of two, few enough to stay in range.
double exact_value(Reduction reduction, DType dtype, std::mt19937& random) {
  if (reduction == Reduction::kProduct) {
    const double value[] = {1, 1, 1, 1, 2, is_whole(dtype) ? 1 : 0.5};
    return value[random() % 6];
  }
  const double value = static_cast<double>(random() % 128);
  return is_whole(dtype) ? value : 1 + value / 128;
}

enum class Where : std::uint8_t { kApart, kInPlace };

struct Case {
  Kind kind = Kind::kAllReduce;
  Algorithm algorithm = Algorithm::kRing;
  int ranks = 4;
  int root = 0;
  std::int64_t elements = 1000;  // of the whole, or of all_to_all's x
  DType dtype = DType::kF32;
  Reduction reduction = Reduction::kSum;
  Counts counts = {};
  Where where = Where::kApart;
  bool exact = true;  // sums that do not depend on the order
};

bool gives_part(Kind kind) {
  return kind == Kind::kGather || kind == Kind::kAllGather;
}
bool gets_part(Kind kind) {
  return kind == Kind::kScatter || kind == Kind::kReduceScatter;
}
bool rooted(Kind kind) {
  return kind == Kind::kBroadcast || kind == Kind::kReduce ||
         kind == Kind::kScatter || kind == Kind::kGather;
}

// All ranks of one collective: the data of each before and after.
class World {
 public:
  explicit World(const Case& c) : case_(c), random_(1), counts_(c.counts) {
    if (counts_.empty()) {
      counts_ = even_counts(c.elements, c.ranks);
    }
    for (int rank = 0; rank < c.ranks; ++rank) {
      make_tensors(rank);
      requests_.push_back(make_request(rank));
    }
    expect();
  }

  void run() {
    Network network(7);
    std::vector<std::unique_ptr<Port>> ports;
    std::vector<std::unique_ptr<PlanExecution>> executions;
    std::vector<std::vector<std::byte>> scratch;
    for (int rank = 0; rank < case_.ranks; ++rank) {
      ports.push_back(std::make_unique<Port>(network, rank));
      executions.push_back(
          std::make_unique<PlanExecution>(plan_of({.kind = case_.kind,
                                                   .algorithm = case_.algorithm,
                                                   .rank = rank,
                                                   .ranks = case_.ranks,
                                                   .root = case_.root}),
                                          requests_[rank],
                                          *ports.back(),
                                          5));
      scratch.emplace_back(executions.back()->scratch_bytes());
      executions.back()->set_scratch(scratch.back());
    }
    std::vector<bool> done(executions.size());
    // A message is reported after two tests on average, so only ranks that wait
    // for one another reach this limit.
    for (int turn = 0; turn < 100'000; ++turn) {
      bool all = true;
      for (std::size_t rank = 0; rank < done.size(); ++rank) {
        if (!done[rank] && network.random()() % 2 == 0) {
          done[rank] = executions[rank]->advance();
        }
        all = all && done[rank];
      }
      if (all) {
        EXPECT_TRUE(network.is_empty());
        return;
      }
    }
    FAIL() << "ranks wait for one another";
  }

  void check() {
    for (int rank = 0; rank < case_.ranks; ++rank) {
      const Tensor y = requests_[rank].output;
      const Tensor wanted = expected_[rank].tensor();
      if (wanted.elements() > 0) {
        ASSERT_EQ(y.elements(), wanted.elements());
        ASSERT_EQ(std::memcmp(y.bytes(), wanted.bytes(), y.size_bytes()), 0)
            << "rank " << rank;
      }
      // Outside of the output, x is unchanged.
      if (case_.where == Where::kApart && case_.kind != Kind::kBroadcast) {
        ASSERT_EQ(xs_[rank].bytes(), before_[rank].bytes());
      }
    }
  }

 private:
  std::int64_t part(int rank) const { return counts_[std::size_t(rank)]; }
  std::int64_t at(int rank) const { return offset_of(counts_, rank); }

  void make_tensors(int rank) {
    const std::int64_t given =
        gives_part(case_.kind) ? part(rank) : case_.elements;
    const std::int64_t taken =
        gets_part(case_.kind) ? part(rank) : taken_of(rank);
    xs_.emplace_back(case_.dtype, given);
    for (std::int64_t i = 0; i < given; ++i) {
      const double value =
          case_.exact ? exact_value(case_.reduction, case_.dtype, random_)
                      : std::normal_distribution<double>()(random_);
      set(xs_.back().tensor(), i, value);
    }
    before_.push_back(xs_.back());
    ys_.emplace_back(case_.dtype, taken);
  }

  // all_to_all: rank r's y takes part r of every x.
  std::int64_t taken_of(int rank) const {
    return case_.kind == Kind::kAllToAll ? part(rank) * case_.ranks
                                         : case_.elements;
  }

  Request make_request(int rank) {
    const bool at_root = rank == case_.root || !rooted(case_.kind);
    const bool gives =
        at_root || case_.kind == Kind::kReduce || case_.kind == Kind::kGather;
    const bool gets = at_root || case_.kind == Kind::kScatter;
    Tensor x = xs_[rank].tensor();
    Tensor y = ys_[rank].tensor();
    if (case_.where == Where::kInPlace) {
      if (gives_part(case_.kind)) {
        x = ys_[rank].part(at(rank), part(rank));
        convert(x, xs_[rank].tensor());
      } else if (gets_part(case_.kind)) {
        y = xs_[rank].part(at(rank), part(rank));
      } else {
        y = x;
      }
    }
    if (case_.kind == Kind::kBroadcast) {
      return {.kind = case_.kind, .input = x, .output = x, .root = case_.root};
    }
    Request request{.kind = case_.kind,
                    .input = gives ? x : Tensor(),
                    .output = gets ? y : Tensor(),
                    .reduction = case_.reduction,
                    .root = case_.root,
                    .counts = counts_};
    if (case_.kind == Kind::kAllToAll) {
      request.y_counts =
          Counts(static_cast<std::size_t>(case_.ranks), part(rank));
    }
    return request;
  }

  void expect() {
    Data total(case_.dtype, is_reduction(case_.kind) ? case_.elements : 0);
    if (is_reduction(case_.kind)) {
      std::vector<ConstTensor> all;
      for (Data& x : before_) {
        all.push_back(x.tensor());
      }
      const Tensor y = total.tensor();
      reduce_all({&y, 1}, all, case_.reduction, {0, case_.elements});
    }
    for (int rank = 0; rank < case_.ranks; ++rank) {
      expected_.emplace_back(case_.dtype, requests_[rank].output.elements());
      const Tensor y = expected_.back().tensor();
      switch (case_.kind) {
        case Kind::kBroadcast:
          convert(y, before_[case_.root].tensor());
          break;
        case Kind::kScatter:
          convert(y, before_[case_.root].part(at(rank), part(rank)));
          break;
        case Kind::kReduceScatter:
          convert(y, total.part(at(rank), part(rank)));
          break;
        case Kind::kGather:
        case Kind::kAllGather:
          for (int r = 0; r < case_.ranks && y.elements() > 0; ++r) {
            convert(y.rows(at(r), part(r)), before_[r].tensor());
          }
          break;
        case Kind::kAllToAll:
          for (int r = 0; r < case_.ranks; ++r) {
            convert(y.rows(r * part(rank), part(rank)),
                    before_[r].part(at(rank), part(rank)));
          }
          break;
        default:  // reduce, all_reduce
          if (y.elements() > 0) {
            convert(y, total.tensor());
          }
      }
    }
  }

  Case case_;
  std::mt19937 random_;
  Counts counts_;
  std::vector<Data> xs_;
  std::vector<Data> ys_;
  std::vector<Data> before_;
  std::vector<Data> expected_;
  std::vector<Request> requests_;
};

void expect_right(const Case& c) {
  SCOPED_TRACE(fmt::format("{} by {} of {} ranks, root {}, {} {}, {}{}",
                           name_of(c.kind),
                           name_of(c.algorithm),
                           c.ranks,
                           c.root,
                           c.elements,
                           name_of(c.dtype),
                           name_of(c.reduction),
                           c.where == Where::kInPlace ? ", in place" : ""));
  World world(c);
  ASSERT_NO_FATAL_FAILURE(world.run());
  world.check();
}

constexpr Kind kWithData[] = {Kind::kBroadcast,
                              Kind::kReduce,
                              Kind::kAllReduce,
                              Kind::kScatter,
                              Kind::kGather,
                              Kind::kAllGather,
                              Kind::kReduceScatter,
                              Kind::kAllToAll};
constexpr Algorithm kPlanned[] = {Algorithm::kRoot,
                                  Algorithm::kAllToAll,
                                  Algorithm::kRing,
                                  Algorithm::kChain,
                                  Algorithm::kHalvingDoubling,
                                  Algorithm::kTree};

// Calls for every pair that has a plan.
template <typename Call>
void for_plans(const Call& call) {
  for (const Kind kind : kWithData) {
    for (const Algorithm algorithm : kPlanned) {
      if (has_plan(kind, algorithm, SumOrder::kFast)) {
        call(kind, algorithm);
      }
    }
  }
}

class Executions : public testing::TestWithParam<int> {};

TEST_P(Executions, AreRightOfEverySize) {
  const int ranks = GetParam();
  for_plans([&](Kind kind, Algorithm algorithm) {
    for (const std::int64_t elements : {0, 1, ranks - 1, ranks, 1003}) {
      expect_right({.kind = kind,
                    .algorithm = algorithm,
                    .ranks = ranks,
                    .root = ranks / 2,
                    .elements = elements});
    }
  });
}

TEST_P(Executions, AreRightInPlace) {
  for_plans([&](Kind kind, Algorithm algorithm) {
    // Tests cases where y can be x, or a part of it; all_to_all with equal
    // parts.
    if (kind == Kind::kAllReduce || kind == Kind::kAllGather ||
        kind == Kind::kReduceScatter || kind == Kind::kReduce ||
        kind == Kind::kAllToAll) {
      expect_right({.kind = kind,
                    .algorithm = algorithm,
                    .ranks = GetParam(),
                    .elements = 12 * GetParam(),
                    .where = Where::kInPlace});
    }
  });
}

TEST_P(Executions, AreRightOfUnevenParts) {
  const int ranks = GetParam();
  Counts counts;
  std::int64_t elements = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    counts.push_back(rank % 3 == 1 ? 0 : 7 * rank + 1);
    elements += counts.back();
  }
  for_plans([&](Kind kind, Algorithm algorithm) {
    if (kind != Kind::kBroadcast && kind != Kind::kReduce &&
        kind != Kind::kAllReduce) {
      expect_right({.kind = kind,
                    .algorithm = algorithm,
                    .ranks = ranks,
                    .root = ranks - 1,
                    .elements = elements,
                    .counts = counts});
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks,
                         Executions,
                         testing::Values(1, 2, 3, 4, 5, 6, 7, 8, 12, 16));

// Sums of 16-bit floats are rounded once: exact_value() needs more than 8 bits.
TEST(PlanExecution, ReducesEveryTypeInEveryWay) {
  for_plans([](Kind kind, Algorithm algorithm) {
    if (!is_reduction(kind)) {
      return;
    }
    for (const DType dtype : {DType::kF32,
                              DType::kF64,
                              DType::kBf16,
                              DType::kF16,
                              DType::kI32,
                              DType::kI64,
                              DType::kU8}) {
      for (const Reduction reduction : {Reduction::kSum,
                                        Reduction::kProduct,
                                        Reduction::kMin,
                                        Reduction::kMax,
                                        Reduction::kAverage}) {
        if (reduction == Reduction::kAverage && is_whole(dtype)) {
          continue;
        }
        for (const Where where : {Where::kApart, Where::kInPlace}) {
          expect_right({.kind = kind,
                        .algorithm = algorithm,
                        .ranks = 6,
                        .root = 2,
                        .elements = 6 * 41,
                        .dtype = dtype,
                        .reduction = reduction,
                        .where = where});
        }
      }
    }
  });
}

TEST(PlanExecution, SumsInTheOrderOfTheRanksBitForBit) {
  for (const Kind kind :
       {Kind::kReduce, Kind::kAllReduce, Kind::kReduceScatter}) {
    for (const Algorithm algorithm : kPlanned) {
      if (has_plan(kind, algorithm, SumOrder::kRanked)) {
        for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF64}) {
          for (const int ranks : {2, 3, 7, 8}) {
            expect_right({.kind = kind,
                          .algorithm = algorithm,
                          .ranks = ranks,
                          .root = 1,
                          .elements = 500,
                          .dtype = dtype,
                          .reduction = Reduction::kAverage,
                          .exact = false});
          }
        }
      }
    }
  }
}

TEST(PlanExecution, IsRightOfAMillionElements) {
  for (const Algorithm algorithm : kPlanned) {
    expect_right({.algorithm = algorithm, .ranks = 3, .elements = 1'000'003});
  }
}

TEST(PlanExecution, LeavesABarrierWhenAllHaveCome) {
  for (const Algorithm algorithm : kPlanned) {
    Network network(3);
    constexpr int kRanks = 5;
    const Request barrier{.kind = Kind::kBarrier};
    std::vector<std::unique_ptr<Port>> ports;
    std::vector<std::unique_ptr<PlanExecution>> executions;
    for (int rank = 0; rank < kRanks; ++rank) {
      ports.push_back(std::make_unique<Port>(network, rank));
      executions.push_back(
          std::make_unique<PlanExecution>(plan_of({.kind = Kind::kBarrier,
                                                   .algorithm = algorithm,
                                                   .rank = rank,
                                                   .ranks = kRanks}),
                                          barrier,
                                          *ports.back(),
                                          0));
    }
    const auto turns = [&](int ranks) {
      bool any = false;
      bool all = true;
      for (int turn = 0; turn < 1000; ++turn) {
        all = true;
        for (int rank = 0; rank < ranks; ++rank) {
          const bool done = executions[rank]->advance();
          any = any || done;
          all = all && done;
        }
      }
      return std::pair{any, all};
    };
    EXPECT_FALSE(turns(kRanks - 1).first) << name_of(algorithm);
    EXPECT_TRUE(turns(kRanks).second) << name_of(algorithm);
  }
}

// A tree passes parts on, whose sizes only the root knows.
TEST(PlanExecution, NeedsTheCountsOfATree) {
  Network network(1);
  Port port(network, 2);
  Data y(DType::kF32, 3);
  const Request request{.kind = Kind::kScatter, .output = y.tensor()};
  const auto execution = [&](Algorithm algorithm) {
    PlanExecution(plan_of({.kind = Kind::kScatter,
                           .algorithm = algorithm,
                           .rank = 2,
                           .ranks = 4}),
                  request,
                  port,
                  0);
  };
  EXPECT_THROW(execution(Algorithm::kTree), Unsupported);
  EXPECT_NO_THROW(execution(Algorithm::kRoot));
}

// A ring sums in y, and needs memory only for one arriving piece.
TEST(PlanExecution, NeedsLittleMemory) {
  Network network(1);
  Port port(network, 0);
  Data x(DType::kF32, 4096);
  Data y(DType::kF32, 4096);
  const Request request{
      .kind = Kind::kAllReduce, .input = x.tensor(), .output = y.tensor()};
  const PlanExecution execution(
      plan_of({.algorithm = Algorithm::kRing, .ranks = 4}), request, port, 0);
  EXPECT_EQ(execution.scratch_bytes(), 4096U);  // a quarter of 4096 floats
}

}  // namespace
}  // namespace dure::comm
