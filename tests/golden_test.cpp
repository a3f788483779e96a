// Compares with GPT-2 and Llama in Hugging Face Transformers, in float64:
// logits, loss and every gradient. tests/golden/README.md describes the files.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/checkpoint/elements.h"
#include "dure/checkpoint/huggingface.h"
#include "dure/checkpoint/sharded/load_weights.h"
#include "dure/kernels/transfer.h"
#include "dure/mesh/placement.h"
#include "dure/model/weights.h"
#include "dure/parallel/data/visits_testing.h"
#include "dure/train/loss_sum.h"
#include "dure/train/micro_batch.h"

namespace dure {
namespace {

// Transformers' own float32 forward is off by up to 2.2e-6 in these logits,
// whose size reaches 5. Ours may add up in another order, so the tolerance is
// four times that.
constexpr double kLogitTolerance = 9e-6;
// A gradient adds up 48 rows of products, each as far off as the logits,
// relative to the largest of its weight.
constexpr double kGradientTolerance = 2e-5;

struct Golden : testing::TestWithParam<std::string> {
  Path folder = Path("tests/golden") / GetParam();
  checkpoint::SafetensorsFile expected{folder / "expected.safetensors"};
  checkpoint::HuggingFaceWeights weights{folder};
  train::Rank rank{{}};
  train::RankModel rank_model{rank, weights.config(), 0, nn::Phase::kTrain};
  std::vector<std::int32_t> tokens;

  void SetUp() override {
    train::load_weights(rank, rank_model, weights);
    const std::span<const std::byte> bytes = expected.at("tokens").bytes;
    std::vector<std::int64_t> ids(bytes.size() / sizeof(std::int64_t));
    std::memcpy(ids.data(), bytes.data(), bytes.size());
    tokens.assign(ids.begin(), ids.end());
  }

  train::MicroBatch batch() {
    const checkpoint::Dims& shape = expected.at("tokens").shape;
    train::MicroBatch batch(rank, shape[0], shape[1] - 1);
    batch.load(tokens);
    return batch;
  }

  std::vector<nn::Visit> visits(int micro_batches) const {
    return parallel::visits(rank_model.pipeline().whole_model().last,
                            micro_batches);
  }
};

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::Values("gpt2", "llama"));

std::vector<float> to_host(train::Rank& rank, ConstTensor x) {
  std::vector<float> host(static_cast<std::size_t>(x.elements()));
  launch(rank.stream,
         kernels::Download{.host = std::as_writable_bytes(std::span(host)),
                           .x = x});
  rank.stream.synchronize();
  return host;
}

TEST_P(Golden, LogitsAreTransformers) {
  const train::MicroBatch inputs = batch();
  const std::int64_t rows = inputs.rows();
  const std::int64_t columns =
      model::padded_vocabulary(rank_model.config().vocabulary, 1);
  nn::Context ctx = rank.context();
  const OwnedTensor logits = ctx.workspace({rows, columns}, DType::kF32);
  model::Batch batch_of_logits = inputs.batch();
  batch_of_logits.logits = logits;
  rank_model.stack().run(ctx, {}, batch_of_logits);
  const std::vector<float> ours = to_host(rank, logits);
  const std::vector<float> theirs =
      checkpoint::to_floats(expected.at("logits"));
  const std::int64_t vocabulary = weights.config().vocabulary;
  for (std::int64_t n = 0; n < rows; ++n) {
    for (std::int64_t v = 0; v < vocabulary; ++v) {
      ASSERT_NEAR(ours[static_cast<std::size_t>(n * columns + v)],
                  theirs[static_cast<std::size_t>(n * vocabulary + v)],
                  kLogitTolerance)
          << "row " << n << ", token " << v;
    }
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
  train::MicroBatch inputs = batch();
  nn::Context ctx = rank.context();
  model::Stack::Saved saved;
  rank_model.store().begin_step(visits(1));
  const OwnedTensor d_loss =
      train::scalar(rank, 1 / static_cast<float>(inputs.rows()));
  rank_model.stack().forward(ctx, {}, inputs.batch(d_loss), saved);
  rank_model.stack().backward(ctx, {}, inputs.batch(), saved);
  rank_model.store().finish_gradients();
  const checkpoint::HuggingFaceWeights gradients(
      folder, folder / "gradients.safetensors");
  for (const model::WeightSpec& spec : model::weights(rank_model.config())) {
    std::vector<float> theirs(
        static_cast<std::size_t>(mesh::elements(spec.logical)));
    gradients.read(spec.name, theirs);
    const std::vector<float> ours =
        to_host(rank, rank_model.parameters()[spec.name].gradient);
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
  train::MicroBatch inputs = batch();
  nn::Context ctx = rank.context();
  model::Stack::Saved saved;
  const OwnedTensor d_loss = train::scalar(rank, 0.5F);
  const auto pass = [&] {
    rank_model.stack().forward(ctx, {}, inputs.batch(d_loss), saved);
    rank_model.stack().backward(ctx, {}, inputs.batch(), saved);
  };
  rank_model.store().begin_step(visits(2));
  pass();
  std::vector<std::vector<float>> once;
  for (const nn::Parameter& parameter : rank_model.parameters().all()) {
    once.push_back(to_host(rank, parameter.gradient));
  }
  ctx.micro_batch = 1;
  pass();
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
