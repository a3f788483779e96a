#include "dure/model/flops.h"

#include <gtest/gtest.h>

#include "dure/model/weights.h"

namespace dure::model {
namespace {

// GPT-2 small: a block's matrices are 12 h^2, the head 50257 h.
TEST(FlopsPerToken, CountsProductsAndCausalAttention) {
  constexpr double kHidden = 768;
  constexpr double kProducts = 12 * 12 * kHidden * kHidden + 50257 * kHidden;
  constexpr double kAttention = 12 * kHidden * (1024 + 1);
  EXPECT_EQ(flops_per_token(ModelConfig(), 1024),
            6 * kProducts + 6 * kAttention);
}

}  // namespace
}  // namespace dure::model
