#include "dure/model/flops.h"

#include <gtest/gtest.h>

#include "dure/model/weights.h"

namespace dure::model {
namespace {

// In GPT-2 small a block's matrices have 12 h^2, the head 50257 h.
TEST(FlopsPerToken, CountsProductsAndCausalAttention) {
  constexpr double kHidden = 768;
  constexpr double kProducts = 12 * 12 * kHidden * kHidden + 50257 * kHidden;
  constexpr double kAttention = 12 * kHidden * (1024 + 1);
  EXPECT_EQ(flops_per_token(ModelConfig(), 1024),
            6 * kProducts + 6 * kAttention);
}

TEST(FlopsByLayer, AreThoseOfTheToken) {
  const ModelConfig config;
  const std::vector<double> layers = flops_by_layer(config, 512);
  ASSERT_EQ(layers.size(), 14U);
  EXPECT_EQ(layers.front(), 0);
  EXPECT_EQ(layers[1], 6 * (12.0 * 768 * 768 + 768 * 513));
  EXPECT_EQ(layers[1], layers[12]);
  EXPECT_EQ(layers.back(), 6.0 * 50257 * 768);
  EXPECT_EQ(12 * layers[1] + layers.back(), flops_per_token(config, 512));
}

}  // namespace
}  // namespace dure::model
