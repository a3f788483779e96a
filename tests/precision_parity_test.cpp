// Compares layouts of 16-bit runs with one rank: with ranked sums, data ranks,
// ZeRO and pipelines change no bit, as in fp32; tensor ranks stay within a
// bound of the type (docs/numerics.md).

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/optim/sgd.h"
#include "tests/parity_run.h"

namespace dure {
namespace {

using parallel::ScheduleKind;
using train::Compute;
using train::Config;
using train::KeptIn;

constexpr int kSteps = 8;

struct Case {
  const char* name;
  Config (*model)();
  train::PrecisionConfig precision;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](const char* name,
                       Config (*model)(),
                       train::PrecisionConfig precision) {
    precision.initial_scale_power = 16;
    all.push_back({name, model, precision});
  };
  add("Bf16", small_gpt, {.compute = Compute::kBf16});
  add("Fp16", small_gpt, {.compute = Compute::kFp16});
  add("LlamaBf16WithAnFp32Residual",
      small_llama,
      {.compute = Compute::kBf16, .residual = KeptIn::kFp32});
  add("LlamaFp16With16BitGradients",
      small_llama,
      {.compute = Compute::kFp16,
       .gradients = KeptIn::kCompute,
       .reduce = KeptIn::kCompute});
  add("Bf16SummedInFp32",
      small_gpt,
      {.compute = Compute::kBf16, .gradients = KeptIn::kCompute});
  add("Bf16SentInBf16",
      small_gpt,
      {.compute = Compute::kBf16, .reduce = KeptIn::kCompute});
  add("Bf16WithoutMasters",
      small_gpt,
      {.compute = Compute::kBf16,
       .gradients = KeptIn::kCompute,
       .reduce = KeptIn::kCompute,
       .master = train::Master::kNone,
       .states = train::StateType::kBf16});
  return all;
}

class PrecisionParity : public testing::TestWithParam<Case> {
 protected:
  static Config config() {
    Config config = GetParam().model();
    config.precision = GetParam().precision;
    return config;
  }
};

INSTANTIATE_TEST_SUITE_P(Types,
                         PrecisionParity,
                         testing::ValuesIn(cases()),
                         [](const auto& one) {
                           return std::string(one.param.name);
                         });

TEST_P(PrecisionParity, DataRanksZeroAndPipelinesChangeNoBit) {
  const std::vector<Layout> layouts = {
      {.data = 4, .micro_batches = 2},
      {.data = 4, .zero = 1, .micro_batches = 2},
      {.data = 4, .zero = 2, .micro_batches = 2},
      {.data = 4, .zero = 3, .micro_batches = 2},
      {.data = 4, .zero = 2, .zero_group = 2, .micro_batches = 2},
      {.pipe = 2, .data = 2, .zero = 1, .micro_batches = 4},
      {.pipe = 2,
       .data = 2,
       .zero = 3,
       .schedule = ScheduleKind::kGpipe,
       .micro_batches = 4,
       .recompute = model::Recompute::kFull},
      {.pipe = 2,
       .schedule = ScheduleKind::kZbH1,
       .micro_batches = 8,
       .recompute = model::Recompute::kSelective}};
  const ParityOutcome one = run_layout(config(), alone(layouts[0]), kSteps);
  EXPECT_LT(one.losses.back(), one.losses.front());
  for (const Layout& layout : layouts) {
    SCOPED_TRACE(text(layout));
    expect_same(run_layout(config(), layout, kSteps), one);
  }
}

// Each rank rounds its summands, so results are as near as fp32's bounds times
// the ratio of the types' unit roundoffs.
TEST(PrecisionParityOfTensorRanks, LossesAreWithinTheTypesBound) {
  struct OfType {
    Compute compute;
    double bound;  // docs/numerics.md
  };
  for (const OfType& type : {OfType{Compute::kBf16, 1e-6 * 0x1p16},
                             OfType{Compute::kFp16, 1e-6 * 0x1p13}}) {
    Config config = small_gpt();
    config.model.hidden = 64;
    config.model.heads = 8;
    config.model.vocabulary = 1000;
    config.optimizer.name = &optim::kSgd;
    config.optimizer.learning_rate = 0.2;
    config.precision = {.compute = type.compute};
    config.precision.initial_scale_power = 10;
    const ParityOutcome one = run_layout(config, {.micro_batches = 4}, kSteps);
    for (const int tensor : {2, 4, 8}) {
      for (const bool sequence : {false, true}) {
        Layout layout = {
            .tensor = tensor, .sequence = sequence, .micro_batches = 4};
        SCOPED_TRACE(text(layout));
        const ParityOutcome shared = run_layout(config, layout, kSteps);
        EXPECT_LT(worst(shared.losses, one.losses), type.bound);
        EXPECT_NE(shared.weights, one.weights);
        layout.data = 2;
        layout.zero = 2;
        layout.micro_batches = 2;
        expect_same(run_layout(config, layout, kSteps), shared);
      }
    }
  }
}

}  // namespace
}  // namespace dure
