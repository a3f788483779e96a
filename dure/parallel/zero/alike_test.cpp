#include "dure/parallel/zero/alike.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace dure::parallel {
namespace {

// A norm of 32, and on this rank of the tensor axis: an uncut share of q, k and
// v rows (16 + 8 + 8 columns of 4), k and v being held by `copies` neighbours.
struct Set {
  nn::ParameterSet parameters;
  std::vector<float> memory = std::vector<float>(512);
  std::vector<Kept> kept;

  Set(std::int64_t tensor_ranks, std::int64_t copies) {
    parameters.add("norm", {32}, std::nullopt, false, {0});
    const std::int64_t held = tensor_ranks / copies;
    parameters.add(
        "qkv",
        {16 + 8 + 8, 4},
        mesh::Sharding{.dim = 0,
                       .sections = {16 * tensor_ranks, 8 * held, 8 * held},
                       .copies = {1, copies, copies}},
        true,
        {1});
  }

  // Elements [offset, offset + n) of a weight.
  void keep(int weight, std::int64_t offset, std::int64_t n) {
    const Tensor values(memory.data(), {n});
    kept.push_back({.weight = weight,
                    .offset = offset,
                    .value = values,
                    .gradient = values});
  }
};

TEST(Alike, IsAllOfAWeightThatIsNotCut) {
  Set set(4, 1);
  set.keep(0, 0, 32);
  set.keep(1, 0, 128);
  EXPECT_EQ(find_alike(set.kept, set.parameters, 4, Rows::kWhole),
            (std::vector<Alike>{{.kept = 0, .count = 32, .ranks = 4}}));
  EXPECT_EQ(find_alike(set.kept, set.parameters, 4, Rows::kCut),
            (std::vector<Alike>{
                {.kept = 0, .count = 32, .ranks = 4, .has = Has::kSummand}}));
}

TEST(Alike, IsTheRowsOfAKeyValueHeadOnSeveralRanks) {
  Set set(4, 2);
  set.keep(1, 0, 128);
  EXPECT_EQ(find_alike(set.kept, set.parameters, 4, Rows::kWhole),
            (std::vector<Alike>{
                {.first = 64, .count = 32, .ranks = 2, .has = Has::kSummand},
                {.first = 96, .count = 32, .ranks = 2, .has = Has::kSummand}}));
}

TEST(Alike, IsCutAsTheKeptPiecesAre) {
  Set set(4, 4);
  set.keep(1, 16, 64);  // the end of q, and half of k
  set.keep(1, 80, 48);  // the rest
  EXPECT_EQ(find_alike(set.kept, set.parameters, 4, Rows::kWhole),
            (std::vector<Alike>{{.kept = 0,
                                 .first = 48,
                                 .count = 16,
                                 .ranks = 4,
                                 .has = Has::kSummand},
                                {.kept = 1,
                                 .first = 0,
                                 .count = 16,
                                 .ranks = 4,
                                 .has = Has::kSummand},
                                {.kept = 1,
                                 .first = 16,
                                 .count = 32,
                                 .ranks = 4,
                                 .has = Has::kSummand}}));
}

// All elements that exist once in the whole, by all ranks together.
TEST(Alike, CountsEveryElementOnce) {
  for (const std::int64_t copies : {1, 2, 4}) {
    std::int64_t elements = 0;
    for (int rank = 0; rank < 4; ++rank) {
      Set set(4, copies);
      set.keep(0, 0, 16);
      set.keep(0, 16, 16);
      set.keep(1, 0, 100);
      set.keep(1, 100, 28);
      const auto alike = find_alike(set.kept, set.parameters, 4, Rows::kWhole);
      for (const Kept& piece : counted(set.kept, alike, {rank, 4})) {
        elements += piece.gradient.elements();
      }
    }
    EXPECT_EQ(elements, 32 + 4 * 64 + 2 * 32 * 4 / copies) << copies;
  }
}

TEST(Alike, CountedPiecesKnowWhereTheyAre) {
  Set set(2, 2);
  set.keep(1, 32, 96);
  const auto alike = find_alike(set.kept, set.parameters, 2, Rows::kWhole);
  const std::vector<Kept> second = counted(set.kept, alike, {1, 2});
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].offset, 32);
  EXPECT_EQ(second[0].gradient.elements(), 32);
  const std::vector<Kept> first = counted(set.kept, alike, {0, 2});
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].gradient.elements(), 96);
}

}  // namespace
}  // namespace dure::parallel
