// Recomputation: the same training, bit for bit, in less memory.
#include <fmt/core.h>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/launch/run_ranks.h"
#include "dure/parallel/data/shards_testing.h"
#include "dure/plan/predict.h"
#include "dure/train/options.h"
#include "dure/train/trainer.h"
#include "tests/layout.h"
#include "tests/oracle/activation_memory.h"
#include "tests/small_run.h"

namespace dure {
namespace {

using comm::Kind;
using model::Recompute;
using train::Config;
using train::Rank;
using train::Trainer;

constexpr int kSteps = 20;

// The layout with two micro-batches a step.
Layout with(Recompute recompute, Layout layout) {
  layout.micro_batches = 2;
  layout.recompute = recompute;
  return layout;
}

Config gpt_with_dropout() {
  Config config = small_gpt();
  config.model.layers = 3;
  config.model.dropout = 0.1;
  return config;
}

// The results of a run on one rank.
struct Outcome {
  std::vector<double> losses;
  std::vector<double> norms;
  std::vector<float> weights;  // those it keeps
  std::size_t activation_bytes = 0;
  std::size_t all_reduces = 0;  // of its tensor axis, in all
  std::size_t all_gathers = 0;
};

Outcome run_rank(Rank& rank, const Config& config, int steps) {
  Trainer trainer(rank, config);
  const Walks data = small_data();
  Outcome outcome;
  for (int i = 0; i < steps; ++i) {
    const train::StepResult step = trainer.step(data);
    outcome.losses.push_back(step.loss);
    outcome.norms.push_back(step.grad_norm);
  }
  trainer.rank_model().store().wait();
  for (const parallel::Shard& shard :
       weights_of(trainer.rank_model().store())) {
    const float* values = shard.values.data<float>();
    outcome.weights.insert(
        outcome.weights.end(), values, values + shard.values.elements());
  }
  outcome.activation_bytes = rank.arena.ledger().peak(Category::kActivations);
  const auto calls = [&](Kind kind) {
    return static_cast<std::size_t>(
        rank.world().traffic().of("tensor", kind).calls);
  };
  outcome.all_reduces = calls(Kind::kAllReduce);
  outcome.all_gathers = calls(Kind::kAllGather);
  return outcome;
}

// The results by rank.
std::vector<Outcome> run(const Config& config, int steps) {
  const auto ranks = static_cast<int>(train::ranks_of(config.parallel));
  std::vector<Outcome> outcomes(static_cast<std::size_t>(ranks));
  launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
    train::RankOptions options = train::rank_options(config);
    options.world = &world;
    Rank rank(options);
    outcomes[static_cast<std::size_t>(world.rank())] =
        run_rank(rank, config, steps);
  });
  return outcomes;
}

void expect_same(const std::vector<Outcome>& a, const std::vector<Outcome>& b) {
  for (std::size_t r = 0; r < a.size(); ++r) {
    EXPECT_EQ(a[r].losses, b[r].losses) << "rank " << r;
    EXPECT_EQ(a[r].norms, b[r].norms) << "rank " << r;
    EXPECT_EQ(a[r].weights, b[r].weights) << "rank " << r;
  }
}

struct Model {
  const char* name;
  Config (*config)();
};

class RecomputeParity : public testing::TestWithParam<Model> {};

INSTANTIATE_TEST_SUITE_P(Models,
                         RecomputeParity,
                         testing::Values(Model{"Gpt", gpt_with_dropout},
                                         Model{"Llama", small_llama}),
                         [](const auto& model) {
                           return std::string(model.param.name);
                         });

void expect_no_difference(const Config& config, const Layout& layout) {
  SCOPED_TRACE(text(layout));
  const auto outcome = [&](Recompute recompute) {
    return run(configured(config, with(recompute, layout)), kSteps);
  };
  const std::vector<Outcome> none = outcome(Recompute::kNone);
  EXPECT_LT(none[0].losses.back(), none[0].losses.front());
  expect_same(outcome(Recompute::kSelective), none);
  expect_same(outcome(Recompute::kFull), none);
}

TEST_P(RecomputeParity, TrainsTheSameBitsOnDataParallelRanks) {
  for (const Layout& layout : {Layout{.data = 1},
                               Layout{.data = 1, .parts = true},
                               Layout{.data = 2},
                               Layout{.data = 2, .zero = 3}}) {
    expect_no_difference(GetParam().config(), layout);
  }
}

model::StepShape step_shape(const Config& config) {
  return {.rows = config.train.micro_batch * config.data.sequence,
          .tensor = config.parallel.tensor,
          .cut = train::rank_options(config).rows,
          .activation_policy = train::activation_policy(config),
          .activations = train::compute_type(config.precision),
          .residual = train::model_types(config.precision).residual};
}

constexpr Recompute kRecomputes[] = {
    Recompute::kNone, Recompute::kSelective, Recompute::kFull};

void expect_formula(const Config& config) {
  const std::int64_t formula =
      model::peak_activation_bytes(config.model, step_shape(config));
  EXPECT_EQ(run(config, 2)[0].activation_bytes, formula);
  const plan::MemoryPrediction predicted = plan::predict_memory(config);
  EXPECT_EQ(
      predicted.peak_bytes[static_cast<std::size_t>(Category::kActivations)],
      formula);
}

// Fifteen tokens give the ranks parts of different sizes.
TEST_P(RecomputeParity, TrainsTheSameBitsOnTensorRanks) {
  Config config = GetParam().config();
  for (const Layout& layout :
       {Layout{.tensor = 2, .sequence = true},
        Layout{.data = 2, .tensor = 2, .zero = 3, .parts = true}}) {
    expect_no_difference(config, layout);
  }
  config.data.sequence = 15;
  for (const Layout& layout : {Layout{.tensor = 2, .parts = true},
                               Layout{.tensor = 4},
                               Layout{.tensor = 4, .parts = true}}) {
    expect_no_difference(config, layout);
  }
}

TEST_P(RecomputeParity, TheLedgerHasTheFormulasBytesOnTensorRanks) {
  for (const Recompute recompute : kRecomputes) {
    for (const Layout& layout :
         {Layout{.tensor = 2},
          Layout{.tensor = 2, .parts = true},
          Layout{.tensor = 2, .sequence = true, .parts = true},
          Layout{.tensor = 4, .parts = true}}) {
      SCOPED_TRACE(text(with(recompute, layout)));
      expect_formula(configured(GetParam().config(), with(recompute, layout)));
    }
  }
}

TEST_P(RecomputeParity, TheLedgerHasTheFormulasBytesIn16Bits) {
  using train::Compute;
  for (const Recompute recompute : kRecomputes) {
    for (const train::PrecisionConfig& precision :
         {train::PrecisionConfig{.compute = Compute::kBf16},
          train::PrecisionConfig{.compute = Compute::kFp16},
          train::PrecisionConfig{.compute = Compute::kBf16,
          .residual = train::KeptIn::kFp32}}) {
      for (const Layout& layout :
           {Layout(), Layout{.tensor = 2, .sequence = true}}) {
        SCOPED_TRACE(text(with(recompute, layout)));
        Config config = GetParam().config();
        config.precision = precision;
        expect_formula(configured(config, with(recompute, layout)));
        config.memory.logits = train::LogitsMemory::kWhole;
        expect_formula(configured(config, with(recompute, layout)));
      }
    }
  }
}

// For a block that runs again only attention's sum is needed, and parts are
// gathered once.
TEST_P(RecomputeParity, CommunicatesALittleMore) {
  constexpr int kMicroBatches = 2;
  const Config config = GetParam().config();
  const auto blocks =
      static_cast<std::size_t>(kMicroBatches * config.model.layers);
  const auto outcome = [&](const Layout& layout, Recompute recompute) {
    return run(configured(config, with(recompute, layout)), 1)[0];
  };
  Layout layout = {.tensor = 2};
  const Outcome none = outcome(layout, Recompute::kNone);
  const Outcome selective = outcome(layout, Recompute::kSelective);
  EXPECT_EQ(selective.all_reduces, none.all_reduces);
  EXPECT_EQ(selective.all_gathers, none.all_gathers);
  const Outcome full = outcome(layout, Recompute::kFull);
  EXPECT_EQ(full.all_reduces, none.all_reduces + blocks);
  EXPECT_EQ(full.all_gathers, none.all_gathers);
  layout.parts = true;
  const Outcome parts = outcome(layout, Recompute::kFull);
  EXPECT_EQ(parts.all_reduces, full.all_reduces);
  EXPECT_EQ(parts.all_gathers, full.all_gathers + blocks);
}

// 15 tokens are not a round size, so memory's blocks of 64 bytes show.
TEST_P(RecomputeParity, TheLedgerHasTheFormulasBytes) {
  for (const std::int64_t sequence : {16, 15}) {
    for (const Recompute recompute : kRecomputes) {
      for (const Layout& layout : {Layout{}, Layout{.parts = true}}) {
        SCOPED_TRACE(fmt::format(
            "{}, {} tokens", text(with(recompute, layout)), sequence));
        Config config = GetParam().config();
        config.data.sequence = sequence;
        config = configured(config, with(recompute, layout));
        expect_formula(config);
        config.memory.logits = train::LogitsMemory::kWhole;
        expect_formula(config);
      }
    }
  }
}

// A deep model's activations are its blocks'. With 32 columns and 4 heads a
// block has, for each row, 16 x 32 + 4 elements and 4 statistics without
// recomputation, 10 x 32 + 4 without the cheap ones, and 32 for the input
// alone.
TEST(Recompute, ABlockKeepsItsElements) {
  Config config = train::resolve(small_gpt());
  const auto elements = [&](Recompute recompute) {
    config.memory.recompute = recompute;
    const model::StepShape step = step_shape(config);
    return model::kept_bytes(config.model, step) / 4 / step.rows;
  };
  EXPECT_EQ(elements(Recompute::kNone), 16 * 32 + 4 + 4);
  EXPECT_EQ(elements(Recompute::kSelective), 10 * 32 + 4);
  EXPECT_EQ(elements(Recompute::kFull), 32);
}

TEST(Recompute, PredictionsSeeIt) {
  Config config = small_gpt();
  config.model.layers = 16;
  std::size_t before = std::numeric_limits<std::size_t>::max();
  for (const Recompute recompute : kRecomputes) {
    const plan::MemoryPrediction predicted =
        plan::predict_memory(configured(config, with(recompute, {})));
    EXPECT_LT(predicted.peak_total, before);
    before = predicted.peak_total;
  }
}

}  // namespace
}  // namespace dure
