#include "dure/parity/gain_scale.h"

#include <cmath>

#include <gtest/gtest.h>

#include "dure/model/llama/llama.h"
#include "dure/nn/scale_norm.h"

namespace dure::train {
namespace {

model::ModelConfig scale_norm(bool is_tied) {
  return model::resolve({.family = &model::kLlama,
                         .layers = 2,
                         .hidden = 8,
                         .heads = 2,
                         .vocabulary = 11,
                         .max_sequence = 4,
                         .norm = &nn::kScaleNorm,
                         .tie_embeddings = is_tied});
}

std::string reader_name(const std::vector<model::WeightSpec>& specs,
                        const std::string& gain) {
  for (std::size_t w = 0; w < specs.size(); ++w) {
    if (specs[w].name == gain) {
      const auto reader = reader_of(specs, w);
      return reader ? specs[*reader].name : "none";
    }
  }
  return "no such weight";
}

TEST(GainScale, FindsTheMatrixThatReadsTheNorm) {
  const auto specs = model::weights(scale_norm(false));
  EXPECT_EQ(reader_name(specs, "blocks.1.norm1.weight"),
            "blocks.1.attention.qkv.weight");
  EXPECT_EQ(reader_name(specs, "blocks.1.norm2.weight"),
            "blocks.1.mlp.up.weight");
  EXPECT_EQ(reader_name(specs, "final_norm.weight"), "head.weight");
  EXPECT_EQ(reader_name(specs, "head.weight"), "none");
  EXPECT_EQ(reader_name(model::weights(scale_norm(true)), "final_norm.weight"),
            "embedding.token.weight");
}

// Other norms have a gain a column, whose largest element is the scale.
TEST(GainScale, IsOfOnlyGainsAlone) {
  model::ModelConfig rms = scale_norm(false);
  rms.norm = &nn::kRmsNorm;
  EXPECT_EQ(reader_name(model::weights(rms), "final_norm.weight"), "none");
}

TEST(GainScale, IsTheNormOfTheTermsUnlessTheGradientIsLarger) {
  const std::vector<model::WeightSpec> specs = {
      {.name = "norm.weight", .shape = {1}, .logical = {1}},
      {.name = "w",
       .shape = {2, 2},
       .logical = {2, 2},
       .part = model::WeightKind::kMlp}};
  const std::vector<float> gain = {-2};
  const std::vector<float> w = {1, 2, 3, 4};
  const std::vector<float> d_w = {4 * 8, -4, 2, 1};  // of the loss times 4
  for (const float d_gain : {0.25F, 100.0F}) {
    const std::vector<float> d_gains = {d_gain};
    const Pieces pieces = {{{.first = 0,
                             .count = 1,
                             .values = {gain.data(), Shape{1}},
                             .gradient = {d_gains.data(), Shape{1}}}},
                           {{.first = 0,
                             .count = 4,
                             .values = {w.data(), Shape{4}},
                             .gradient = {d_w.data(), Shape{4}},
                             .loss_scale = 4}}};
    Largest largest = largest_of(pieces);
    raise_gain_scales(largest, pieces, specs);
    const double terms = std::sqrt(8.0 * 8 + 2.0 * 2 + 1.5 * 1.5 + 1.0 * 1) / 2;
    EXPECT_FLOAT_EQ(largest.gradients[0],
                    static_cast<float>(std::max<double>(d_gain, terms)));
    EXPECT_EQ(largest.gradients[1], 8);
  }
}

}  // namespace
}  // namespace dure::train
