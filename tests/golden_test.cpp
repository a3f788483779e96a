// Compares with GPT-2 and Llama in Hugging Face Transformers, in float64:
// logits, loss and every gradient. tests/golden/README.md describes the files.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/train/loss_sum.h"
#include "tests/golden_model.h"

namespace dure {
namespace {

// Transformers' own float32 forward is off by up to 2.2e-6 in these logits,
// whose size reaches 5. Ours may add up in another order, so the tolerance is
// four times that.
constexpr double kLogitTolerance = 9e-6;
// A gradient adds up 48 rows of products, each as far off as the logits,
// relative to the largest of its weight.
constexpr double kGradientTolerance = 2e-5;

struct Golden : testing::TestWithParam<std::string>, GoldenModel {
  Golden() : GoldenModel(Path("tests/golden") / GetParam()) {}
};

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::Values("gpt2", "llama"));

TEST_P(Golden, LogitsAreTransformers) {
  const std::vector<float> ours = logits();
  const std::vector<float> theirs =
      checkpoint::to_floats(expected.at("logits"));
  ASSERT_EQ(ours.size(), theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    ASSERT_NEAR(ours[i], theirs[i], kLogitTolerance) << "element " << i;
  }
}

TEST_P(Golden, LossIsTransformers) {
  train::MicroBatch inputs = batch();
  nn::Context ctx = rank.context();
  rank_model.stack().run(ctx, {}, inputs.batch());
  train::LossSum sum(rank);
  sum.add(inputs.loss());
  const double loss =
      sum.download().value() / static_cast<double>(inputs.rows());
  const double theirs = checkpoint::to_floats(expected.at("loss"))[0];
  EXPECT_NEAR(loss, theirs, kLogitTolerance);
}

TEST_P(Golden, EveryGradientIsTransformers) {
  make_gradients();
  const checkpoint::HuggingFaceWeights gradients =
      gradients_of("gradients.safetensors");
  for (const model::WeightSpec& spec : model::weights(rank_model.config())) {
    const std::vector<float> theirs = gradient_in(gradients, spec);
    const std::vector<float> ours = gradient(spec.name);
    double largest = 0;
    double difference = 0;
    for (std::size_t i = 0; i < theirs.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(theirs[i])));
      difference = std::max(difference,
                            std::abs(static_cast<double>(ours[i]) - theirs[i]));
    }
    EXPECT_LE(difference, kGradientTolerance * largest) << spec.name;
    for (std::size_t i = theirs.size(); i < ours.size(); ++i) {
      ASSERT_EQ(ours[i], 0) << spec.name << ": padding";
    }
  }
}

// A second micro-batch with the same samples doubles every gradient.
TEST_P(Golden, GradientsAddUp) {
  const train::MicroBatch inputs = batch();
  nn::Context ctx = rank.context();
  rank_model.store().begin_step(visits(2));
  pass(ctx, inputs, 0.5F);
  std::vector<std::vector<float>> once;
  for (const nn::Parameter& parameter : rank_model.parameters().all()) {
    once.push_back(to_host(rank, parameter.gradient));
  }
  ctx.micro_batch = 1;
  pass(ctx, inputs, 0.5F);
  rank_model.store().finish_gradients();
  std::size_t p = 0;
  for (const nn::Parameter& parameter : rank_model.parameters().all()) {
    const std::vector<float> twice = to_host(rank, parameter.gradient);
    double largest = 0;
    double difference = 0;
    for (std::size_t i = 0; i < twice.size(); ++i) {
      largest = std::max(largest, std::abs(2.0 * once[p][i]));
      difference = std::max(difference, std::abs(twice[i] - 2.0 * once[p][i]));
    }
    // The second sum starts from the first, so it rounds in another place.
    EXPECT_LE(difference, kGradientTolerance * largest) << parameter.name;
    ++p;
  }
}

}  // namespace
}  // namespace dure
