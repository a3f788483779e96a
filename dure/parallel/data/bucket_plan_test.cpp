#include "dure/parallel/data/bucket_plan.h"

#include <gmock/gmock.h>
#include <numeric>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::parallel {
namespace {

using testing::Each;
using testing::ElementsAre;

// Weights with the sizes of GPT-2 small's: 12 blocks of width 768, a tied
// embedding.
std::vector<PlannedWeight> gpt2_small() {
  constexpr std::int64_t h = 768;
  std::vector<PlannedWeight> weights = {{50257 * h, {0, 14}}, {1024 * h, {0}}};
  for (int block = 1; block <= 12; ++block) {
    for (const std::int64_t n : {h,
                                 h,
                                 3 * h * h,
                                 3 * h,
                                 h * h,
                                 h,
                                 h,
                                 h,
                                 4 * h * h,
                                 4 * h,
                                 4 * h * h,
                                 h}) {
      weights.push_back({n, {block}});
    }
  }
  weights.push_back({h, {13}});
  weights.push_back({h, {13}});
  return weights;
}

std::int64_t kept_elements(const BucketPlan& plan, mesh::Part part) {
  std::int64_t sum = 0;
  for (const Slice& slice : slices_of(plan, {part})) {
    sum += slice.elements;
  }
  return sum;
}

TEST(BucketPlan, GivesFourRanksEqualPartsOfGpt2Small) {
  const BucketPlan plan =
      plan_buckets(gpt2_small(), {.gradients = DType::kF32, .parts = {4}});
  EXPECT_EQ(plan.elements, 124'439'808);
  EXPECT_EQ(plan.padding(), 0);
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(kept_elements(plan, {rank, 4}), 31'109'952);
  }
}

TEST(BucketPlan, CountsPaddingWhereSizesDoNotDivide) {
  const std::vector<PlannedWeight> weights = {{100, {0}}, {7, {1}}};
  const BucketPlan plan = plan_buckets(
      weights,
      {.gradients = DType::kF32, .first_bytes = 1, .bytes = 1, .parts = {3}});
  ASSERT_EQ(plan.buckets.size(), 2U);
  EXPECT_EQ(plan.buckets[0].elements, 144);  // of 3 x 16
  EXPECT_EQ(plan.buckets[1].elements, 48);
  EXPECT_EQ(plan.padding(), 192 - 107);
}

TEST(BucketPlan, FillsBucketsFromTheLastWeightTheFirstOneSmall) {
  const std::vector<PlannedWeight> weights(10, {.elements = 64, .units = {0}});
  const BucketPlan plan = plan_buckets(
      weights,
      {.gradients = DType::kF32, .first_bytes = 256, .bytes = 4 * 256});
  std::vector<int> firsts;
  for (const Bucket& bucket : plan.buckets) {
    firsts.push_back(bucket.first);
  }
  EXPECT_THAT(firsts, ElementsAre(0, 1, 5, 9));
}

TEST(BucketPlan, AWeightLargerThanABucketHasItsOwn) {
  const std::vector<PlannedWeight> weights = {
      {16, {0}}, {1 << 20, {0}}, {16, {0}}};
  const BucketPlan plan = plan_buckets(
      weights, {.gradients = DType::kF32, .first_bytes = 1024, .bytes = 1024});
  ASSERT_EQ(plan.buckets.size(), 3U);
  EXPECT_EQ(plan.buckets[1].elements, 1 << 20);
}

TEST(BucketPlan, CutsByUnits) {
  const BucketPlan plan = plan_buckets(
      gpt2_small(),
      {.gradients = DType::kF32, .parts = {4}, .cut = BucketCut::kByUnits});
  // The buckets are the token rows, which the head uses, too; the positions; 12
  // blocks; the final norm.
  ASSERT_EQ(plan.buckets.size(), 15U);
  const UnitBuckets buckets(plan);
  EXPECT_THAT(buckets.of(0), ElementsAre(0, 1));
  EXPECT_THAT(buckets.of(14), ElementsAre(0));
  EXPECT_THAT(buckets.of(5), ElementsAre(6));
  EXPECT_THAT(buckets.of(15), ElementsAre());
  EXPECT_EQ(plan.buckets[6].elements, 7'087'872);
}

// The units are the first and the last of a model, as on a rank of a pipeline.
TEST(BucketPlan, JoinsNoGroupsAndSkipsUnits) {
  const std::vector<PlannedWeight> weights = {
      {.elements = 16, .units = {0}, .group = 2},
      {.elements = 16, .units = {0}},
      {.elements = 16, .units = {1}},
      {.elements = 16, .units = {7}, .group = 1},
      {.elements = 16, .units = {8}, .group = 1}};
  const BucketPlan plan = plan_buckets(weights, {.gradients = DType::kF32});
  ASSERT_EQ(plan.buckets.size(), 3U);
  EXPECT_THAT(plan.buckets[0].units, ElementsAre(0));
  EXPECT_THAT(plan.buckets[1].units, ElementsAre(0, 1));
  EXPECT_THAT(plan.buckets[2].units, ElementsAre(7, 8));
  const UnitBuckets buckets(plan);
  EXPECT_THAT(buckets.units(), ElementsAre(0, 1, 7, 8));
  EXPECT_THAT(buckets.of(0), ElementsAre(0, 1));
  EXPECT_THAT(buckets.of(8), ElementsAre(2));
  EXPECT_THAT(buckets.of(5), ElementsAre());
}

// Every element of every weight is owned by one rank, in whole groups.
TEST(BucketPlan, KeepsEveryElementOnce) {
  std::vector<PlannedWeight> weights;
  for (int i = 0; i < 40; ++i) {
    weights.push_back({.elements = 1 + 37 * i * i % 1000, .units = {i / 4}});
  }
  for (const int ranks : {1, 2, 3, 8, 64}) {
    for (const BucketCut cut : {BucketCut::kBySize, BucketCut::kByUnits}) {
      const BucketPlan plan = plan_buckets(weights,
                                           {.gradients = DType::kF32,
                                            .first_bytes = 400,
                                            .bytes = 4000,
                                            .parts = {ranks},
                                            .cut = cut});
      std::vector<std::int64_t> next(weights.size(), 0);
      for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
        for (int rank = 0; rank < ranks; ++rank) {
          for (const Slice& slice : slices_of(plan, {{rank, ranks}})) {
            if (slice.bucket != static_cast<int>(b)) {
              continue;
            }
            const auto w = static_cast<std::size_t>(slice.weight);
            EXPECT_EQ(slice.offset % kAlignment, 0);
            EXPECT_EQ(slice.offset, next[w]);  // they follow one another
            EXPECT_LE(slice.place + slice.elements,
                      part_elements(plan, {{rank, ranks}}));
            next[w] += slice.elements;
          }
        }
      }
      for (std::size_t w = 0; w < weights.size(); ++w) {
        EXPECT_EQ(next[w], weights[w].elements);
      }
    }
  }
}

TEST(BucketPlan, GivesWholeWeightsToThePartThatHasTheLeast) {
  for (const int ranks : {1, 4, 16}) {
    const std::vector<PlannedWeight> weights = gpt2_small();
    const BucketPlan plan =
        plan_buckets(weights,
                     {.gradients = DType::kF32,
                      .parts = {ranks},
                      .cut = BucketCut::kByUnits,
                      .spans = kernels::SpanCut::kWholeWeights});
    std::vector<int> owners(weights.size());
    std::int64_t most = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      for (const Slice& slice : slices_of(plan, {{rank, ranks}})) {
        const auto w = static_cast<std::size_t>(slice.weight);
        EXPECT_EQ(slice.offset, 0);
        EXPECT_EQ(slice.elements, weights[w].elements);
        ++owners[w];
      }
      most = std::max(most, part_elements(plan, {{rank, ranks}}));
    }
    EXPECT_THAT(owners, Each(1));
    EXPECT_EQ(plan.padding(), 0);  // sizes are multiples of a group
    const std::int64_t largest = weights.front().elements;  // the token rows
    EXPECT_LE(most, std::max(largest, plan.elements / ranks * 11 / 10));
  }
}

// The stages that have it plan it beside different weights.
TEST(BucketPlan, GivesATiedWeightToThePartThatItsOtherStageGivesItTo) {
  const PlannedWeight tied = {
      .elements = 160, .units = {0}, .group = 2, .is_tied = true};
  const auto owner_beside = [&](const PlannedWeight& other) {
    const std::vector<PlannedWeight> weights = {other, tied};
    const BucketPlan plan =
        plan_buckets(weights,
                     {.gradients = DType::kF32,
                      .parts = {2},
                      .spans = kernels::SpanCut::kWholeWeights});
    return part_range(plan.buckets.at(1), {0, 2}).elements() == 160 ? 0 : 1;
  };
  EXPECT_EQ(owner_beside({.elements = 320, .units = {1}}),
            owner_beside({.elements = 0, .units = {1}}));
}

// The parts of fewer ranks consist of neighbouring parts of more.
TEST(BucketPlan, PartsOfAShardGroupAreMadeOfTheRanksOwn) {
  const std::vector<PlannedWeight> weights = {
      {160, {0}}, {32, {0}}, {64, {0}}, {48, {0}}};
  const BucketPlan plan =
      plan_buckets(weights,
                   {.gradients = DType::kF32,
                    .parts = {4},
                    .spans = kernels::SpanCut::kWholeWeights});
  ASSERT_EQ(plan.buckets.size(), 1U);
  const Bucket& bucket = plan.buckets[0];
  EXPECT_THAT(part_counts(bucket, 4), ElementsAre(160, 64, 48, 32));
  EXPECT_THAT(part_counts(bucket, 2), ElementsAre(224, 80));
  EXPECT_THAT(plan.offsets, ElementsAre(0, 272, 160, 224));
  EXPECT_EQ(part_range(bucket, {1, 2}).first, 224);
}

TEST(BucketPlan, RefusesBucketsOfNothing) {
  const std::vector<PlannedWeight> weights = {{16, {0}}};
  EXPECT_THROW(plan_buckets(weights, {.gradients = DType::kF32, .bytes = 0}),
               Error);
  EXPECT_THROW(plan_buckets(weights, {.gradients = DType::kF32, .parts = {0}}),
               Error);
  const BucketPlan plan =
      plan_buckets(weights, {.gradients = DType::kF32, .parts = {4}});
  EXPECT_THROW(slices_of(plan, {{0, 3}}), Error);
}

}  // namespace
}  // namespace dure::parallel
