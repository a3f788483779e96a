#include "dure/mesh/topology.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <numeric>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::mesh {
namespace {

using testing::HasSubstr;

using Ranks = std::vector<int>;

constexpr AxisSet kTensor = {Axis::kTensor};

// Nodes with so many ranks each, called a, b, c ...
Topology nodes(const Ranks& counts, Distribution how = {}) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    names.emplace_back(1, static_cast<char>('a' + i));
  }
  return deal(names, counts, how);
}

constexpr Distribution kCyclic = {.at_a_time = 1};

TEST(Topology, NumbersNodesAsTheyAppear) {
  const std::vector<std::string> names = {"b", "a", "b", "c"};
  EXPECT_EQ(topology_of(names),
            (Topology{.nodes = {"b", "a", "c"}, .node_of = {0, 1, 0, 2}}));
}

// An example of 3 nodes of 4 ranks: rank 4 is the first of the second node.
TEST(Topology, DealsBlocksAndRounds) {
  EXPECT_EQ(nodes({4, 4, 4}).node_of,
            (Ranks{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2}));
  EXPECT_EQ(nodes({2, 1, 3}, kCyclic).node_of, (Ranks{0, 1, 2, 0, 2, 2}));
  EXPECT_EQ(nodes({3, 0, 4}, {.at_a_time = 2}).node_of,
            (Ranks{0, 0, 2, 2, 0, 2, 2}));
  EXPECT_THROW(deal({"a"}, {1, 2}), Error);
}

TEST(Topology, ReadsDistributions) {
  EXPECT_EQ(parse_distribution("block"), Distribution{});
  EXPECT_EQ(parse_distribution("cyclic:cyclic"), kCyclic);
  EXPECT_EQ(parse_distribution("block:cyclic,NoPack"), Distribution{});
  EXPECT_EQ(parse_distribution("plane=4").at_a_time, 4);
  for (const char* text : {"",
                           "arbitrary",
                           "plane",
                           "plane=",
                           "plane=0",
                           "plane=4x",
                           "planes=4"}) {
    EXPECT_THROW(parse_distribution(text), UsageError) << text;
  }
}

TEST(Topology, FindsGroupsThatCrossNodes) {
  const Mesh mesh({.pipe = 2, .data = 2, .tensor = 2});
  EXPECT_TRUE(crossing(mesh, nodes({4, 4}), kTensor).empty());
  EXPECT_EQ(crossing(mesh, nodes({3, 5}), kTensor),
            (std::vector<Ranks>{{2, 3}}));
  EXPECT_EQ(crossing(mesh, nodes({4, 4}), {Axis::kPipe}).size(), 4U);
  EXPECT_EQ(crossing(mesh, nodes({4, 4}, kCyclic), kTensor).size(), 4U);
  EXPECT_THROW(crossing(mesh, nodes({4}), kTensor), Error);
}

TEST(Topology, WarnsOfTensorGroupsThatCrossNodes) {
  const Mesh mesh({.data = 2, .tensor = 4});
  EXPECT_EQ(crossing_warning(mesh, nodes({4, 4})), "");
  EXPECT_EQ(crossing_warning(mesh, nodes({6, 2})),
            "1 of 2 tensor groups cross nodes ([4,5,6,7] on a, b): each layer "
            "then waits for the network. Start a multiple of 4 ranks on every "
            "node, or train with tensor 2, which fits these nodes");
  EXPECT_THAT(crossing_warning(Mesh({.data = 6, .tensor = 2}),
                               nodes({1, 1, 1, 9}, kCyclic)),
              HasSubstr("2 of 6 tensor groups cross nodes ([0,1] on a, b; "
                        "[2,3] on c, d): "));
  EXPECT_THAT(
      crossing_warning(Mesh({.data = 6, .tensor = 2}), nodes({6, 6}, kCyclic)),
      HasSubstr("; and 2 more): "));
}

TEST(Place, KeepsARankWhereItsGroupsFitAlready) {
  Ranks same(8);
  std::iota(same.begin(), same.end(), 0);
  EXPECT_EQ(place(Mesh({.pipe = 2, .data = 2, .tensor = 2}), nodes({4, 4})),
            same);
  EXPECT_EQ(place(Mesh({.data = 8}), nodes({4, 4}, kCyclic)), same);
}

TEST(Place, GathersWhatWasDealtInRounds) {
  const Mesh mesh({.pipe = 2, .data = 2, .tensor = 2});
  const Topology launched = nodes({4, 4}, kCyclic);
  const Ranks places = place(mesh, launched);
  EXPECT_EQ(places, (Ranks{0, 4, 1, 5, 2, 6, 3, 7}));
  EXPECT_EQ(placed(launched, places).node_of, (Ranks{0, 0, 0, 0, 1, 1, 1, 1}));
}

TEST(Place, TakesWholeGroupsFromEveryNodeFirst) {
  // One group must cross nodes; dealing in order would let two cross.
  const Mesh mesh({.data = 3, .tensor = 2});
  const Topology launched = nodes({1, 4, 1});
  EXPECT_EQ(crossing(mesh, launched, kTensor).size(), 2U);
  const Topology better = placed(launched, place(mesh, launched));
  EXPECT_EQ(crossing(mesh, better, kTensor), (std::vector<Ranks>{{4, 5}}));
}

TEST(Place, FollowsTheOrderOfTheMesh) {
  const Mesh mesh({.data = 2, .tensor = 2}, parse_order("dp-tp-pp-cp-ep"));
  const Topology launched = nodes({2, 2});
  EXPECT_EQ(crossing(mesh, launched, kTensor).size(), 2U);
  EXPECT_EQ(place(mesh, launched), (Ranks{0, 2, 1, 3}));
}

// At most sum of floor(ranks of a node / tensor) groups fit within nodes. So
// many do, for any nodes and any launch order.
TEST(Place, LeavesAsFewCrossingAsCanBe) {
  for (int tensor = 1; tensor <= 4; ++tensor) {
    for (int a = 0; a <= 6; ++a) {
      for (int b = 0; b <= 6; ++b) {
        for (int c = 0; c <= 6; ++c) {
          const int ranks = a + b + c;
          if (ranks == 0 || ranks % tensor != 0) {
            continue;
          }
          const Mesh mesh({.data = ranks / tensor, .tensor = tensor});
          for (const int at_a_time : {0, 1, 2}) {
            const Topology launched =
                nodes({a, b, c}, {.at_a_time = at_a_time});
            Ranks places = place(mesh, launched);
            const int whole = a / tensor + b / tensor + c / tensor;
            EXPECT_EQ(crossing(mesh, placed(launched, places), kTensor).size(),
                      static_cast<std::size_t>(ranks / tensor - whole));
            std::sort(places.begin(), places.end());
            for (int rank = 0; rank < ranks; ++rank) {
              EXPECT_EQ(places[rank], rank);
            }
          }
        }
      }
    }
  }
}

TEST(Place, RefusesNodesOfAnotherNumberOfRanks) {
  EXPECT_THROW(place(Mesh({.tensor = 2}), nodes({3})), Error);
  EXPECT_THROW(placed(nodes({3}), Ranks{0, 1}), Error);
}

}  // namespace
}  // namespace dure::mesh
