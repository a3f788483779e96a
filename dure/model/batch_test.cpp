// The parts of a batch beside its tokens, on 1 and 2 tensor ranks.
#include "dure/model/batch.h"

#include <algorithm>
#include <cmath>

#include "dure/kernels/cross_entropy.h"
#include "dure/model/whole_model_testing.h"
#include "dure/nn/rank_testing.h"

namespace dure::model {
namespace {

using kernels::Values;
using nn::Context;
using parallel::Rows;

constexpr std::int64_t kVocabulary = 61;
constexpr float kDLoss = 0.125F;

ModelConfig config_of(Position position) {
  ModelConfig config = {.layers = 2,
                        .hidden = 32,
                        .heads = 4,
                        .vocabulary = kVocabulary,
                        .max_sequence = 16};
  config.position = position;
  return resolve(config);
}

using Ids = std::vector<std::int32_t>;

// Samples of equal length, with the batch's other parts.
struct Tokens {
  std::int64_t samples = 1;
  Ids ids = {};
  Ids targets = {};
  Ids positions = {};
  Ids segments = {};
  Ids lengths = {};
  Values weights = {};
};

// Adds tokens first, first + 1, ..., with positions that count from 0.
void add_text(Tokens& tokens, std::int32_t first, std::int32_t count) {
  for (std::int32_t i = 0; i < count; ++i) {
    tokens.ids.push_back((first + 7 * i) % kVocabulary);
    tokens.targets.push_back((first + 7 * i + 7) % kVocabulary);
    tokens.positions.push_back(i);
  }
}

template <typename T>
ConstTensor tensor_of(const std::vector<T>& values) {
  return values.empty() ? ConstTensor()
                        : ConstTensor(values.data(), {std::ssize(values)});
}

struct Outcome {
  Values losses;
  std::vector<Values> gradients;
};

Outcome pass(Context& ctx, const ModelConfig& config, const Tokens& tokens) {
  WholeModel model(ctx, config, {});
  Outcome outcome = {.losses = Values(tokens.ids.size()), .gradients = {}};
  const std::int64_t first_sample = 0;
  const Batch batch = {
      .ids = tensor_of(tokens.ids),
      .targets = tensor_of(tokens.targets),
      .weights = tensor_of(tokens.weights),
      .sequences = {.samples = tokens.samples,
                    .positions = tensor_of(tokens.positions),
                    .segments = tensor_of(tokens.segments),
                    .lengths = tensor_of(tokens.lengths),
                    .first_sample = {&first_sample, {1}}},
      .loss = kernels::tensor(outcome.losses, {std::ssize(tokens.ids)}),
      .d_loss = {&kDLoss, {1}}};
  Stack::Saved saved;
  model.stack().forward(ctx, {}, batch, saved);
  model.stack().backward(ctx, {}, batch, saved);
  model.add_gradients(outcome.gradients);
  return outcome;
}

// The sums are in another order, over numbers of size 1.
void expect_close(const Values& a, const Values& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_NEAR(a[i], b[i], 1e-5 * (1 + std::fabs(b[i]))) << i;
  }
}

// If rows are cut, a rank has summands of its own rows, which differ.
void expect_sum(const Context& ctx,
                const std::vector<Values>& whole,
                const std::vector<Values>& a,
                const std::vector<Values>& b) {
  if (ctx.tensor.rows == Rows::kCut) {
    return;
  }
  for (std::size_t w = 0; w < whole.size(); ++w) {
    Values sum = a[w];
    for (std::size_t i = 0; i < sum.size(); ++i) {
      sum[i] += b[w][i];
    }
    expect_close(whole[w], sum);
  }
}

class Batches : public testing::TestWithParam<std::tuple<int, Rows, Position>> {
 protected:
  static void run(
      const std::function<void(Context&, const ModelConfig&)>& body) {
    const auto [ranks, rows, position] = GetParam();
    const ModelConfig config = config_of(position);
    nn::on_ranks(ranks, rows, [&](Context& ctx) { body(ctx, config); });
  }
};

INSTANTIATE_TEST_SUITE_P(
    Model,
    Batches,
    testing::Combine(testing::Values(1, 2),
                     testing::Values(Rows::kWhole, Rows::kCut),
                     testing::Values(Position::kLearned, Position::kRope)));

// Two documents in one sequence give the results of each alone.
TEST_P(Batches, SegmentsAttendToThemselvesAlone) {
  run([](Context& ctx, const ModelConfig& config) {
    Tokens first;
    add_text(first, 3, 6);
    Tokens second;
    add_text(second, 20, 10);
    Tokens both = first;
    add_text(both, 20, 10);
    both.segments.assign(16, 0);
    std::fill(both.segments.begin() + 6, both.segments.end(), 1);
    const Outcome packed = pass(ctx, config, both);
    const Outcome a = pass(ctx, config, first);
    const Outcome b = pass(ctx, config, second);
    Values losses = a.losses;
    losses.insert(losses.end(), b.losses.begin(), b.losses.end());
    expect_close(packed.losses, losses);
    expect_sum(ctx, packed.gradients, a.gradients, b.gradients);

    both.segments.clear();
    const Outcome one = pass(ctx, config, both);
    EXPECT_GT(std::fabs(one.losses.back() - losses.back()), 1e-3);
  });
}

// Tokens in padding change no loss but their own.
TEST_P(Batches, LengthsHidePadding) {
  run([](Context& ctx, const ModelConfig& config) {
    Tokens texts = {.samples = 2};
    add_text(texts, 3, 8);
    add_text(texts, 20, 8);
    for (std::size_t i = 12; i < 16; ++i) {
      texts.targets[i] = kernels::kIgnore;
    }
    texts.lengths = {8, 4};
    const Outcome padded = pass(ctx, config, texts);
    for (std::size_t i = 12; i < 16; ++i) {
      texts.ids[i] = 60;
      EXPECT_EQ(padded.losses[i], 0);
    }
    const Outcome other = pass(ctx, config, texts);
    EXPECT_EQ(other.losses, padded.losses);
    // A row past its length sees the text, and not itself.
    texts.targets[15] = 1;
    const Outcome seen = pass(ctx, config, texts);
    texts.lengths = {8, 8};
    const Outcome all = pass(ctx, config, texts);
    EXPECT_GT(std::fabs(seen.losses[15] - all.losses[15]), 1e-4);
  });
}

// A weight of 2 counts the token twice; 0 ignores it.
TEST_P(Batches, WeightsAreSharesOfTheLoss) {
  run([](Context& ctx, const ModelConfig& config) {
    Tokens text;
    add_text(text, 5, 8);
    Tokens half = text;
    half.weights = {2, 2, 2, 2, 0, 0, 0, 0};
    const Outcome weighted = pass(ctx, config, half);
    for (std::size_t i = 4; i < 8; ++i) {
      text.targets[i] = kernels::kIgnore;
    }
    const Outcome ignored = pass(ctx, config, text);
    for (std::size_t i = 0; i < 8; ++i) {
      EXPECT_EQ(weighted.losses[i], 2 * ignored.losses[i]);
    }
    expect_sum(ctx, weighted.gradients, ignored.gradients, ignored.gradients);
  });
}

}  // namespace
}  // namespace dure::model
