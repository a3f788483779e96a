#include "dure/model/initialize.h"

#include <vector>

#include <gtest/gtest.h>

#include "dure/model/llama/llama.h"

namespace dure::model {
namespace {

constexpr std::uint64_t kSeed = 7;

ModelConfig gpt() {
  ModelConfig config;
  config.layers = 1;
  config.hidden = 24;
  config.heads = 4;
  config.vocabulary = 301;
  config.max_sequence = 5;
  return resolve(config);
}

ModelConfig llama() {
  return {.family = &kLlama,
          .layers = 1,
          .hidden = 32,
          .heads = 8,
          .kv_heads = 2,
          .ffn_hidden = 40,
          .vocabulary = 300,
          .norm = &nn::kRmsNorm,
          .position = Position::kRope,
          .activation = Activation::kSwiglu,
          .bias = false,
          .tie_embeddings = false};
}

std::vector<float> drawn(const WeightSpec& spec,
                         const mesh::Place& place,
                         std::int64_t offset,
                         std::int64_t count) {
  Stream stream(Device::kCpu);
  std::vector<float> values(static_cast<std::size_t>(count), 0.5F);
  initialize(stream,
             spec,
             kSeed,
             {.value = Tensor(values.data(), {count}),
              .place = place,
              .offset = offset});
  return values;
}

// A part, drawn in slices that begin and end anywhere.
std::vector<float> drawn_in_slices(const WeightSpec& spec,
                                   const mesh::Place& place) {
  const std::int64_t n =
      mesh::LocalPart(spec.shape, spec.placement, place).elements();
  std::vector<float> all;
  for (std::int64_t at = 0, next = 1; at < n; at = next, next += 1 + at) {
    const std::int64_t end = std::min(n, next);
    const auto slice = drawn(spec, place, at, end - at);
    all.insert(all.end(), slice.begin(), slice.end());
  }
  return all;
}

// The bits of every element of every cut are those of the whole weight.
class Cut : public testing::TestWithParam<std::int64_t> {};

void expect_slices_of_the_whole(const ModelConfig& config,
                                std::int64_t tensor) {
  const auto whole_specs = weights(config);
  const auto specs = weights(config, tensor);
  for (std::size_t w = 0; w < specs.size(); ++w) {
    const WeightSpec& spec = specs[w];
    const std::int64_t logical = mesh::elements(spec.logical);
    const auto whole = drawn(whole_specs[w], {}, 0, logical);
    for (std::int64_t index = 0; index < tensor; ++index) {
      const auto place =
          mesh::Place().with(mesh::Axis::kTensor, {index, tensor});
      const auto local = drawn_in_slices(spec, place);
      std::int64_t padding = std::ssize(local);
      for (const mesh::Stretch& stretch :
           mesh::LocalPart(spec.shape, spec.placement, place).stretches()) {
        for (std::int64_t i = 0; i < stretch.length; ++i) {
          const std::int64_t global = stretch.global + i;
          ASSERT_EQ(local[stretch.local + i],
                    global < logical ? whole[global] : 0.0F)
              << spec.name << " element " << global;
          --padding;
        }
      }
      EXPECT_EQ(padding, 0);
    }
  }
}

TEST_P(Cut, OfGptDrawsTheNumbersOfTheWhole) {
  expect_slices_of_the_whole(gpt(), std::min<std::int64_t>(GetParam(), 4));
}

TEST_P(Cut, OfLlamaDrawsTheNumbersOfTheWhole) {
  expect_slices_of_the_whole(llama(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(TensorRanks, Cut, testing::Values(1, 2, 4, 8));

TEST(Initialize, DrawsOtherNumbersForOtherNames) {
  const auto specs = weights(gpt());
  const auto up = drawn(specs[10], {}, 0, 100);
  EXPECT_NE(up, drawn(specs[12], {}, 0, 100));
  EXPECT_EQ(up, drawn(specs[10], {}, 0, 100));
}

}  // namespace
}  // namespace dure::model
