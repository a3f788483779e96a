#include "dure/nn/positions.h"

#include <cmath>
#include <gmock/gmock.h>

namespace dure::nn {
namespace {

using testing::ElementsAre;
using testing::FloatEq;

TEST(AlibiSlopes, AreTheGeometricSequenceOfThePaper) {
  EXPECT_THAT(alibi_slopes(8, {}),
              ElementsAre(0.5F,
                          0.25F,
                          0.125F,
                          0.0625F,
                          0.03125F,
                          0.015625F,
                          0.0078125F,
                          0.00390625F));
  EXPECT_EQ(alibi_slopes(16, {}).front(), std::exp2(-0.5F));
}

// The paper's program for 6 gives the slopes of 4, then the first and third of
// 8.
TEST(AlibiSlopes, InterleaveWhereHeadsAreNoPowerOfTwo) {
  EXPECT_THAT(
      alibi_slopes(6, {}),
      ElementsAre(0.25F, 0.0625F, 0.015625F, 0.00390625F, 0.5F, 0.125F));
  EXPECT_THAT(alibi_slopes(12, {})[8], FloatEq(std::exp2(-0.5F)));
}

TEST(AlibiSlopes, OfPartsAreThoseOfAll) {
  const std::vector<float> all = alibi_slopes(6, {});
  std::vector<float> parts = alibi_slopes(3, {.index = 0, .count = 2});
  const std::vector<float> rest = alibi_slopes(3, {.index = 1, .count = 2});
  parts.insert(parts.end(), rest.begin(), rest.end());
  EXPECT_EQ(parts, all);
}

}  // namespace
}  // namespace dure::nn
