// The historical forms of data parallelism beside the trainer: the same losses
// and weights, and the plan's traffic and memory.

#include <fmt/core.h>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"
#include "dure/train/trainer.h"
#include "examples/data_parallel/form_trainer.h"
#include "tests/small_run.h"

namespace dure {
namespace {

using comm::SumOrder;
using data_parallel::Form;
using data_parallel::FormStep;
using train::Config;
using train::Rank;

constexpr int kSteps = 6;

Config configured(Config config, int ranks, SumOrder sums) {
  config.train.micro_batch = 2;
  config.train.global_batch = 2 * ranks;
  config.parallel.data = ranks;
  config.parallel.sums = sums;
  config.optimizer.clip_gradient = 0.5;  // so that the norm counts
  return train::resolve(config);
}

Config gpt_with_dropout() {
  Config config = small_gpt();
  config.model.dropout = 0.1;
  return config;
}

// The results on rank 0.
struct Outcome {
  std::vector<double> losses;
  std::vector<float> weights;
};

std::vector<float> values_of(const nn::ParameterSet& parameters) {
  std::vector<float> values;
  for (const nn::Parameter& parameter : parameters.all()) {
    const float* const first = parameter.value.data<float>();
    values.insert(values.end(), first, first + parameter.value.elements());
  }
  return values;
}

Outcome run(const Config& config, int ranks, Form form) {
  Outcome outcome;
  launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
    Rank rank({.world = &world});
    const auto trainer = data_parallel::make_form_trainer(rank, config, form);
    const Walks data = small_data();
    std::vector<double> losses;
    for (int i = 0; i < kSteps; ++i) {
      losses.push_back(trainer->step(data).value_or(0));
    }
    const std::vector<float> weights = values_of(trainer->parameters());
    if (world.rank() == 0) {
      outcome = {.losses = losses, .weights = weights};
    }
  });
  return outcome;
}

class Forms : public testing::TestWithParam<Form> {};

INSTANTIATE_TEST_SUITE_P(All,
                         Forms,
                         testing::ValuesIn(data_parallel::kForms),
                         [](const auto& form) {
                           std::string name = name_of(form.param);
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(Forms, TrainAsTheTrainerDoesToTheBit) {
  for (const Config& model : {gpt_with_dropout(), small_llama()}) {
    for (const int ranks : {1, 2, 4}) {
      SCOPED_TRACE(fmt::format("{} ranks", ranks));
      const Config config = configured(model, ranks, SumOrder::kRanked);
      const Outcome trainer = run(config, ranks, Form::kBuckets);
      const Outcome form = run(config, ranks, GetParam());
      EXPECT_LT(trainer.losses.back(), trainer.losses.front());
      EXPECT_EQ(form.losses, trainer.losses);
      EXPECT_EQ(form.weights, trainer.weights);
    }
  }
}

// Four summands are added in another order: a relative 2^-24 or so of each
// gradient in each step. 1e-6 is parity_test's bound for 20 steps.
TEST_P(Forms, FastSumsAgreeWithinRounding) {
  const Outcome ranked =
      run(configured(small_gpt(), 4, SumOrder::kRanked), 4, Form::kBuckets);
  const Outcome fast =
      run(configured(small_gpt(), 4, SumOrder::kFast), 4, GetParam());
  for (std::size_t i = 0; i < fast.losses.size(); ++i) {
    EXPECT_NEAR(fast.losses[i], ranked.losses[i], 1e-6 * ranked.losses[i]);
  }
}

// The bytes of all steps by kind.
std::vector<std::uint64_t> planned_bytes(const data_parallel::FormPlan& plan) {
  std::vector<std::uint64_t> bytes(comm::kKinds);
  for (const FormStep& step : plan.steps) {
    if (step.travel) {
      bytes[static_cast<std::size_t>(step.travel->kind)] +=
          4 * static_cast<std::uint64_t>(step.travel->elements);
    }
  }
  return bytes;
}

// A rank's traffic counts a collective with a root by the larger of its own
// tensors: on rank 0, the whole.
TEST(PlannedForms, SendWhatThePlanSays) {
  for (const Form form : data_parallel::kForms) {
    if (form == Form::kBuckets) {
      continue;  // the trainer's own
    }
    SCOPED_TRACE(name_of(form));
    launch::run_ranks({.ranks = 4}, [&](comm::Communicator& world) {
      Rank rank({.world = &world});
      const Config config = configured(small_gpt(), 4, SumOrder::kFast);
      const auto trainer = data_parallel::make_form_trainer(rank, config, form);
      const comm::Traffic before = world.traffic();  // of making groups
      trainer->step(small_data());
      const auto planned = planned_bytes(trainer->plan());
      for (int i = 0; i < comm::kKinds && world.rank() == 0; ++i) {
        const auto kind = static_cast<comm::Kind>(i);
        EXPECT_EQ(world.traffic().of("world", kind).bytes -
                      before.of("world", kind).bytes,
                  planned[static_cast<std::size_t>(i)])
            << comm::name_of(kind);
      }
    });
  }
}

TEST_P(Forms, HoldWhatThePlanSays) {
  launch::run_ranks({.ranks = 4}, [](comm::Communicator& world) {
    Rank rank({.world = &world});
    const Config config = configured(small_gpt(), 4, SumOrder::kFast);
    const auto trainer =
        data_parallel::make_form_trainer(rank, config, GetParam());
    trainer->step(small_data());
    const auto planned =
        data_parallel::memory_of(trainer->plan(), world.rank());
    const auto held = [&](Category category) {
      return static_cast<std::int64_t>(rank.arena.ledger().peak(category));
    };
    // The trainer's losses travel as an exact sum, and its last bucket is
    // padded to 16 elements on every rank.
    const bool is_trainer = GetParam() == Form::kBuckets;
    const std::int64_t padding = is_trainer ? 4 * 16 * 4 : 0;
    EXPECT_EQ(held(Category::kCommunication),
              is_trainer ? 0 : planned.communication);
    EXPECT_LE(held(Category::kParameters) - planned.parameters, padding);
    EXPECT_GE(held(Category::kParameters), planned.parameters);
    EXPECT_EQ(held(Category::kGradients), held(Category::kParameters));
    EXPECT_EQ(held(Category::kOptimizer), planned.optimizer);
  });
}

TEST_P(Forms, RefuseMoreThanOneMicroBatchARank) {
  Rank rank({});
  EXPECT_THROW(
      data_parallel::make_form_trainer(
          rank, configured(small_gpt(), 4, SumOrder::kFast), GetParam()),
      UsageError);
}

}  // namespace
}  // namespace dure
