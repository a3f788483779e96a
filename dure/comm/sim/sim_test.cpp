#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "dure/comm/error.h"
#include "dure/comm/sim/sim_communicator.h"

namespace dure::comm {
namespace {

// A tensor with addresses that must not be touched.
Tensor simulated(std::int64_t elements, DType dtype = DType::kF32) {
  return {reinterpret_cast<void*>(64), Shape{elements}, dtype};
}

constexpr Link kInside = {.latency_seconds = 1e-6, .bytes_per_second = 1e11};
constexpr Link kBetween = {.latency_seconds = 1e-5, .bytes_per_second = 1e10};
constexpr std::int64_t kElements = 1 << 20;
constexpr double kBytes = 4.0 * kElements;

// A world as its rank 0 sees it.
struct World {
  Stream clock{Device::kSim};
  std::unique_ptr<Communicator> comm;

  World(int ranks, int ranks_per_node)
      : comm(
            make_sim_communicator({.ranks = ranks,
                                   .network = {.ranks_per_node = ranks_per_node,
                                               .inside = kInside,
                                               .between = kBetween}})) {}

  template <typename Op>
  double seconds(const Op& op) {
    const double before = clock.seconds();
    comm->run(clock, op);
    return clock.seconds() - before;
  }

  double all_reduce(Algorithm algorithm, DType dtype = DType::kF32) {
    return seconds(AllReduce{.y = simulated(kElements, dtype),
                             .x = simulated(kElements, dtype),
                             .how = {.algorithm = algorithm}});
  }
};

// The tolerance covers a sum of rounding errors.
void expect_seconds(double seconds, double wanted) {
  EXPECT_NEAR(seconds, wanted, 1e-9 * wanted);
}

TEST(Sim, TakesTheTimeOfARing) {
  for (const int ranks : {2, 4, 8, 1024}) {
    World world(ranks, ranks);
    expect_seconds(
        world.all_reduce(Algorithm::kRing),
        2 * (ranks - 1) * (1e-6 + kBytes / ranks / kInside.bytes_per_second));
  }
}

TEST(Sim, TakesTheTimeOfATree) {
  World world(8, 8);
  expect_seconds(world.all_reduce(Algorithm::kTree),
                 2 * 3 * (1e-6 + kBytes / kInside.bytes_per_second));
}

// A ring over 2 nodes crosses between them once in either direction.
TEST(Sim, ARingIsAsSlowAsItsSlowestLink) {
  World world(8, 4);
  expect_seconds(world.all_reduce(Algorithm::kRing),
                 14 * (1e-5 + kBytes / 8 / kBetween.bytes_per_second));
}

// In the first halving all 4 ranks of a node send half of everything to the
// other node, over one link.
TEST(Sim, RanksOfANodeShareItsLink) {
  World world(8, 4);
  const double far = 1e-5 + 4 * kBytes / 2 / kBetween.bytes_per_second;
  const double near = 2e-6 + (kBytes / 4 + kBytes / 8) / 1e11;
  expect_seconds(world.all_reduce(Algorithm::kHalvingDoubling),
                 2 * (1e-5 + far - 1e-5) + 2 * near);
}

// bf16 has half the bytes, but partial sums travel as f32. On 4 ranks, one
// round of three sends summands, two send sums.
TEST(Sim, PartialSumsOf16BitFloatsAreWide) {
  World world(4, 4);
  const double piece = kBytes / 2 / 4 / 1e11;
  expect_seconds(world.all_reduce(Algorithm::kRing, DType::kBf16),
                 6 * 1e-6 + (1 + 2 * 2 + 3) * piece);
}

TEST(Sim, OverlapsWithComputation) {
  World world(8, 8);
  const double alone = world.all_reduce(Algorithm::kRing);
  const double start = world.clock.seconds();
  const AllReduce op{.y = simulated(kElements),
                     .x = simulated(kElements),
                     .how = {.algorithm = Algorithm::kRing}};
  const Work work = world.comm->start(world.clock, op);
  EXPECT_EQ(world.clock.seconds(), start);
  EXPECT_GT(work.event().seconds(), start);
  world.clock.advance(alone / 4);
  work.wait(world.clock);
  expect_seconds(world.clock.seconds() - start, alone);

  const double second = world.clock.seconds();
  const Work hidden = world.comm->start(world.clock, op);
  world.clock.advance(3 * alone);
  EXPECT_LT(hidden.event().seconds(), world.clock.seconds());
  hidden.wait(world.clock);
  expect_seconds(world.clock.seconds() - second, 3 * alone);
  expect_seconds(hidden.elapsed_seconds(), alone);
}

TEST(Sim, CollectivesOfOneCommunicatorRunOneAfterAnother) {
  World world(8, 8);
  const std::array<int, 4> half = {0, 1, 2, 3};
  const auto other = world.comm->subgroup(half, "tensor");
  const double alone = world.all_reduce(Algorithm::kRing);
  const AllReduce op{.y = simulated(kElements),
                     .x = simulated(kElements),
                     .how = {.algorithm = Algorithm::kRing}};
  const double start = world.clock.seconds();
  const Work first = world.comm->start(world.clock, op);
  const Work second = world.comm->start(world.clock, op);
  other->start(world.clock, op)
      .wait(world.clock);  // does not wait for the world's
  EXPECT_LT(world.clock.seconds() - start, alone);
  second.wait(world.clock);
  expect_seconds(world.clock.seconds() - start, 2 * alone);
  expect_seconds(first.event().seconds() - start, alone);
}

// A collective may begin when its stream says, and another stream may wait for
// it.
TEST(Sim, ACollectiveBeginsAfterItsStream) {
  World world(8, 8);
  const double alone = world.all_reduce(Algorithm::kRing);
  Stream ahead(Device::kSim);
  ahead.advance(10);
  const AllReduce op{.y = simulated(kElements),
                     .x = simulated(kElements),
                     .how = {.algorithm = Algorithm::kRing}};
  const double before = world.clock.seconds();
  const Work work = world.comm->start(ahead, op);
  EXPECT_EQ(ahead.seconds(), 10);
  expect_seconds(work.event().seconds(), 10 + alone);
  EXPECT_EQ(world.clock.seconds(), before);
  work.wait(world.clock);
  expect_seconds(world.clock.seconds(), 10 + alone);
}

TEST(Sim, SubgroupsKnowTheirNodes) {
  World world(8, 4);
  const std::array<int, 2> near = {0, 1};
  const std::array<int, 2> far = {0, 4};
  const std::array<int, 2> others = {2, 3};
  const auto inside = world.comm->subgroup(near, "tensor");
  const auto between = world.comm->subgroup(far, "data");
  EXPECT_EQ(world.comm->subgroup(others, "tensor"), nullptr);
  EXPECT_EQ(between->size(), 2);
  const auto seconds = [&](Communicator& comm) {
    const double before = world.clock.seconds();
    comm.run(world.clock,
             AllReduce{.y = simulated(kElements),
                       .x = simulated(kElements),
                       .how = {.algorithm = Algorithm::kRing}});
    return world.clock.seconds() - before;
  };
  expect_seconds(seconds(*inside), 2 * (1e-6 + kBytes / 2 / 1e11));
  expect_seconds(seconds(*between), 2 * (1e-5 + kBytes / 2 / 1e10));
}

TEST(Sim, MessagesTakeTheLinkBetweenTheTwo) {
  World world(8, 4);
  const auto seconds = [&](int peer) {
    return world.seconds(Send{.x = simulated(kElements), .to = peer});
  };
  expect_seconds(seconds(1), 1e-6 + kBytes / 1e11);
  expect_seconds(seconds(7), 1e-5 + kBytes / 1e10);
  // Messages out and in run at once.
  const std::array<Message, 2> both = {
      Send{.x = simulated(kElements), .to = 7},
      Recv{.y = simulated(kElements), .from = 4}};
  const double before = world.clock.seconds();
  world.comm->start_messages(world.clock, both).wait(world.clock);
  expect_seconds(world.clock.seconds() - before, 1e-5 + kBytes / 1e10);
}

TEST(Sim, UnevenPartsTakeAsLongAsTheLargest) {
  World world(4, 4);
  const Counts counts = {kElements, 0, 0, 0};
  // Rank 0's part goes round the ring in 3 hops.
  expect_seconds(
      world.seconds(AllGather{.y = simulated(kElements),
                              .x = simulated(kElements),
                              .counts = counts,
                              .how = {.algorithm = Algorithm::kRing}}),
      3 * (1e-6 + kBytes / 1e11));
}

TEST(Sim, ChoosesWhatIsQuick) {
  World world(8, 8);
  const double by_choice = world.all_reduce(Algorithm::kAutomatic);
  for (const Algorithm algorithm : {Algorithm::kRoot,
                                    Algorithm::kRing,
                                    Algorithm::kChain,
                                    Algorithm::kTree}) {
    EXPECT_LE(by_choice, world.all_reduce(algorithm)) << name_of(algorithm);
  }
}

TEST(Sim, SaysWhatItHasNoPlanOf) {
  World world(4, 4);
  AllReduce op{
      .y = simulated(8),
      .x = simulated(8),
      .how = {.sums = SumOrder::kRanked, .algorithm = Algorithm::kRing}};
  EXPECT_FALSE(world.comm->supports(op));
  EXPECT_THROW(world.comm->run(world.clock, op), Unsupported);
  op.how.algorithm = Algorithm::kAllToAll;
  EXPECT_TRUE(world.comm->supports(op));
  EXPECT_THROW((void)world.comm->split(0, 0, "tensor"), Unsupported);
}

TEST(Sim, OneRankWaitsForNobody) {
  World world(1, 1);
  EXPECT_EQ(world.all_reduce(Algorithm::kAutomatic), 0);
  EXPECT_EQ(world.seconds(Barrier{}), 0);
}

TEST(Sim, CountsCallsAndBytes) {
  World world(1024, 8);
  world.all_reduce(Algorithm::kRing);
  world.all_reduce(Algorithm::kRing);
  EXPECT_EQ(world.comm->traffic().of("world", Kind::kAllReduce),
            (Traffic::Count{.calls = 2, .bytes = 2U << 22}));
}

}  // namespace
}  // namespace dure::comm
