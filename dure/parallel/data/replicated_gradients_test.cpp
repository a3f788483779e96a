#include "dure/parallel/data/replicated_gradients.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace dure::parallel {
namespace {

constexpr nn::ParameterTypes kTypes = {.value = DType::kF32,
                                       .gradient = DType::kF32};

// A norm of 32, and a matrix of which this tensor rank has q, k and v rows (16
// + 8 + 8 columns of 4); `copies` neighbours hold the same k and v.
struct Set {
  nn::ParameterSet parameters;
  std::vector<Slice> slices;

  Set(std::int64_t tensor_ranks, std::int64_t copies) {
    parameters.add("norm", {32}, kTypes, {}, false, {0});
    const std::int64_t held = tensor_ranks / copies;
    parameters.add("qkv",
                   {16 + 8 + 8, 4},
                   kTypes,
                   {{.dim = 0,
                     .sections = {16 * tensor_ranks, 8 * held, 8 * held},
                     .most_parts = {tensor_ranks, held, held}}},
                   true,
                   {1});
  }

  // Elements [offset, offset + n) of a weight.
  void own(int weight, std::int64_t offset, std::int64_t n) {
    slices.push_back({.weight = weight, .offset = offset, .elements = n});
  }
};

std::vector<Slice> counted_here(std::span<const Slice> slices,
                                std::span<const ReplicatedSlice> alike,
                                mesh::Part part) {
  std::vector<Slice> here;
  for (const Counted& piece : counted(slices, alike, part)) {
    if (piece.counted == kernels::CountedBy::kThisRank) {
      here.push_back(piece.slice);
    }
  }
  return here;
}

TEST(ReplicatedSlice, IsAllOfAWeightThatIsNotCut) {
  Set set(4, 1);
  set.own(0, 0, 32);
  set.own(1, 0, 128);
  EXPECT_EQ(
      find_replicated(set.slices, set.parameters, 4, Rows::kWhole),
      (std::vector<ReplicatedSlice>{{.slice = 0, .count = 32, .ranks = 4}}));
  EXPECT_EQ(
      find_replicated(set.slices, set.parameters, 4, Rows::kCut),
      (std::vector<ReplicatedSlice>{
          {.slice = 0, .count = 32, .ranks = 4, .holds = Holds::kPartialSum}}));
}

TEST(ReplicatedSlice, IsTheRowsOfAKeyValueHeadOnSeveralRanks) {
  Set set(4, 2);
  set.own(1, 0, 128);
  EXPECT_EQ(
      find_replicated(set.slices, set.parameters, 4, Rows::kWhole),
      (std::vector<ReplicatedSlice>{
          {.first = 64, .count = 32, .ranks = 2, .holds = Holds::kPartialSum},
          {.first = 96,
           .count = 32,
           .ranks = 2,
           .holds = Holds::kPartialSum}}));
}

TEST(ReplicatedSlice, IsCutAsTheSlicesAre) {
  Set set(4, 4);
  set.own(1, 16, 64);  // the end of q, half of k
  set.own(1, 80, 48);  // the rest
  EXPECT_EQ(find_replicated(set.slices, set.parameters, 4, Rows::kWhole),
            (std::vector<ReplicatedSlice>{{.slice = 0,
                                           .first = 48,
                                           .count = 16,
                                           .ranks = 4,
                                           .holds = Holds::kPartialSum},
                                          {.slice = 1,
                                           .first = 0,
                                           .count = 16,
                                           .ranks = 4,
                                           .holds = Holds::kPartialSum},
                                          {.slice = 1,
                                           .first = 16,
                                           .count = 32,
                                           .ranks = 4,
                                           .holds = Holds::kPartialSum}}));
}

// Every element that exists once in the whole is counted by one rank.
TEST(ReplicatedSlice, CountsEveryElementOnce) {
  for (const std::int64_t copies : {1, 2, 4}) {
    std::int64_t elements = 0;
    for (int rank = 0; rank < 4; ++rank) {
      Set set(4, copies);
      set.own(0, 0, 16);
      set.own(0, 16, 16);
      set.own(1, 0, 100);
      set.own(1, 100, 28);
      const auto alike =
          find_replicated(set.slices, set.parameters, 4, Rows::kWhole);
      for (const Slice& piece : counted_here(set.slices, alike, {rank, 4})) {
        elements += piece.elements;
      }
    }
    EXPECT_EQ(elements, 32 + 4 * 64 + 2 * 32 * 4 / copies) << copies;
  }
}

TEST(ReplicatedSlice, CountedPiecesKnowWhereTheyAre) {
  Set set(2, 2);
  set.own(1, 32, 96);
  const auto alike =
      find_replicated(set.slices, set.parameters, 2, Rows::kWhole);
  const std::vector<Slice> second = counted_here(set.slices, alike, {1, 2});
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].offset, 32);
  EXPECT_EQ(second[0].elements, 32);
  const std::vector<Slice> first = counted_here(set.slices, alike, {0, 2});
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].elements, 96);
}

}  // namespace
}  // namespace dure::parallel
