// Matrices shared out over ranks, against one rank: losses, gradients and
// weights agree within rounding; and to the bit, whatever data parallelism and
// ZeRO do with the same tensor ranks. Bounds are docs/numerics.md's.

#include <algorithm>
#include <cmath>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"
#include "dure/model/weights.h"
#include "dure/train/trainer.h"
#include "tests/small_run.h"

namespace dure {
namespace {

using train::Config;
using train::Rank;
using train::Trainer;

constexpr int kSteps = 20;

struct Model {
  const char* name;
  Config (*config)();
};

// Eight heads, so that eight ranks can share them.
Config wide_gpt() {
  Config config = small_gpt();
  config.model.hidden = 64;
  config.model.heads = 8;
  return config;
}

Config untied_gpt() {
  Config config = wide_gpt();
  config.model.tie_embeddings = false;
  config.model.dropout = 0.1;
  return config;
}

// Two key-value heads: four tensor ranks hold each of them twice.
Config wide_llama() {
  Config config = small_llama();
  config.model.hidden = 64;
  config.model.heads = 8;
  return config;
}

Config tied_llama() {
  Config config = wide_llama();
  config.model.tie_embeddings = true;
  config.model.kv_heads = 8;
  return config;
}

constexpr Model kModels[] = {{"Gpt", wide_gpt},
                             {"UntiedGptWithDropout", untied_gpt},
                             {"Llama", wide_llama},
                             {"TiedLlama", tied_llama}};

struct Layout {
  int tensor = 1;
  bool sequence = false;
  int data = 1;
  std::int64_t zero = 0;
  int accumulation = 1;
};

std::string text(const Layout& layout) {
  return concat("tensor ",
                layout.tensor,
                layout.sequence ? ", rows cut, data " : ", data ",
                layout.data,
                ", zero ",
                layout.zero);
}

// By weight, without the vocabulary's padding.
using Arrays = std::vector<std::vector<float>>;

struct Outcome {
  std::vector<double> losses;
  std::vector<double> norms;
  double validation = 0;
  Arrays weights;
  Arrays gradients;
};

Config configured(Config config, const Layout& layout) {
  config.train.micro_batch = 1;
  config.train.global_batch = 4;
  config.parallel.tensor = layout.tensor;
  config.parallel.sequence = layout.sequence;
  config.parallel.data = layout.data;
  config.parallel.zero = layout.zero;
  config.parallel.sums = train::Sums::kRanked;
  config.parallel.bucket_mb = 0.02;
  config.parallel.first_bucket_mb = 0.004;
  config.optimizer.clip_gradient = 0.5;  // so that the norm counts
  return train::resolve(config);
}

// Puts elements of a rank's part where they are in the whole weight.
void put(const model::WeightSpec& spec,
         mesh::Part part,
         std::int64_t offset,
         ConstTensor piece,
         std::vector<float>& whole) {
  whole.resize(static_cast<std::size_t>(mesh::elements(spec.logical)));
  const mesh::LocalPart local(spec.shape, spec.sharding, part);
  for (const mesh::Stretch& stretch :
       local.stretches(offset, piece.elements())) {
    for (std::int64_t i = 0; i < stretch.length; ++i) {
      const std::int64_t global = stretch.global + i;
      if (global < std::ssize(whole)) {
        whole[static_cast<std::size_t>(global)] =
            piece.data()[stretch.local + i - offset];
      }
    }
  }
}

void collect(Rank& rank, Trainer& trainer, Outcome& outcome) {
  train::Replica& replica = trainer.replica();
  replica.store().settle();
  const mesh::Part part = rank.tensor().part();
  const auto specs = model::weights(replica.config(), part.count);
  outcome.weights.resize(specs.size());
  outcome.gradients.resize(specs.size());
  for (const parallel::Kept& kept : replica.store().kept()) {
    const auto w = static_cast<std::size_t>(kept.weight);
    put(specs[w], part, kept.offset, kept.value, outcome.weights[w]);
    put(specs[w], part, kept.offset, kept.gradient, outcome.gradients[w]);
  }
}

Outcome run(const Config& config, const Layout& layout) {
  Outcome outcome;
  std::mutex mutex;
  const Config resolved = configured(config, layout);
  train::validate(resolved);
  const int ranks = layout.tensor * layout.data;
  launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
    train::RankOptions options = train::rank_options(resolved);
    options.world = &world;
    Rank rank(options);
    Trainer trainer(rank, resolved);
    const Walks data = small_data();
    Outcome mine;
    for (int i = 0; i < kSteps; ++i) {
      const train::StepResult step = trainer.step(data);
      mine.losses.push_back(step.loss);
      mine.norms.push_back(step.grad_norm);
    }
    mine.validation = trainer.evaluate(data, 11);
    const std::lock_guard lock(mutex);
    if (!outcome.losses.empty()) {  // every rank says the same
      EXPECT_EQ(mine.losses, outcome.losses);
      EXPECT_EQ(mine.norms, outcome.norms);
      EXPECT_EQ(mine.validation, outcome.validation);
    }
    outcome.losses = mine.losses;
    outcome.norms = mine.norms;
    outcome.validation = mine.validation;
    collect(rank, trainer, outcome);
  });
  return outcome;
}

void expect_same(const Outcome& a, const Outcome& b) {
  EXPECT_EQ(a.losses, b.losses);
  EXPECT_EQ(a.norms, b.norms);
  EXPECT_EQ(a.validation, b.validation);
  EXPECT_EQ(a.gradients, b.gradients);
  EXPECT_EQ(a.weights, b.weights);
}

// The largest difference, relative to the largest element of each weight.
double worst(const Arrays& a, const Arrays& b) {
  double result = 0;
  for (std::size_t w = 0; w < a.size(); ++w) {
    EXPECT_EQ(a[w].size(), b[w].size());
    double largest = 0;
    double difference = 0;
    for (std::size_t i = 0; i < a[w].size(); ++i) {
      largest = std::max(largest, std::fabs(static_cast<double>(b[w][i])));
      difference = std::max(difference,
                            std::fabs(static_cast<double>(a[w][i]) - b[w][i]));
    }
    result = std::max(result, difference / largest);
  }
  return result;
}

double relative(double a, double b) {
  return std::fabs(a - b) / std::fabs(b);
}

double worst(const std::vector<double>& a, const std::vector<double>& b) {
  double result = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    result = std::max(result, relative(a[i], b[i]));
  }
  return result;
}

class TensorParity : public testing::TestWithParam<Model> {};

INSTANTIATE_TEST_SUITE_P(Models,
                         TensorParity,
                         testing::ValuesIn(kModels),
                         [](const auto& model) {
                           return std::string(model.param.name);
                         });

// function(layout) for 1 to 8 tensor ranks, rows whole and cut.
template <typename Function>
void for_each_layout(Function&& function) {
  for (const int tensor : {1, 2, 4, 8}) {
    for (const bool sequence : {false, true}) {
      const Layout layout = {.tensor = tensor, .sequence = sequence};
      SCOPED_TRACE(text(layout));
      function(layout);
    }
  }
}

// SGD's updates are as near as the gradients are.
TEST_P(TensorParity, GradientsAndWeightsAreThoseOfOneRank) {
  Config config = GetParam().config();
  config.optimizer.name = optim::OptimizerKind::kSgd;
  config.optimizer.learning_rate = 0.2;
  const Outcome alone = run(config, {});
  EXPECT_LT(alone.losses.back(), alone.losses.front());
  for_each_layout([&](const Layout& layout) {
    const Outcome shared = run(config, layout);
    EXPECT_LT(worst(shared.losses, alone.losses), 1e-6);
    EXPECT_LT(worst(shared.norms, alone.norms), 1e-5);
    EXPECT_LT(relative(shared.validation, alone.validation), 1e-6);
    EXPECT_LT(worst(shared.gradients, alone.gradients), 1e-5);
    EXPECT_LT(worst(shared.weights, alone.weights), 1e-5);
  });
}

// AdamW divides a gradient by its own size: one that is rounding alone, such as
// that of a key's bias, moves its weight by a whole step of the learning rate.
// The loss does not depend on such weights.
TEST_P(TensorParity, LossesOfAdamWAreThoseOfOneRank) {
  const Config config = GetParam().config();
  const Outcome alone = run(config, {});
  EXPECT_LT(alone.losses.back(), alone.losses.front());
  for_each_layout([&](const Layout& layout) {
    const Outcome shared = run(config, layout);
    EXPECT_LT(worst(shared.losses, alone.losses), 1e-5);
    EXPECT_LT(relative(shared.validation, alone.validation), 1e-5);
  });
}

TEST_P(TensorParity, DataAndStagesChangeNoBit) {
  const Config config = GetParam().config();
  for_each_layout([&](Layout layout) {
    const Outcome base = run(config, layout);
    layout.data = 2;
    for (const int zero : {0, 1, 2, 3}) {
      layout.zero = zero;
      SCOPED_TRACE(text(layout));
      expect_same(run(config, layout), base);
    }
  });
}

}  // namespace
}  // namespace dure
