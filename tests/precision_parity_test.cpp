// Compares layouts of 16-bit runs with one rank: with ranked sums, data ranks,
// ZeRO and pipelines change no bit, as in fp32; tensor ranks stay within a
// bound of the type (docs/numerics.md).

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/mesh_grid.h"

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

constexpr const char* kWithOverflows = "Fp16WithOverflows";

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](const char* name,
                       Config (*model)(),
                       train::PrecisionConfig precision) {
    all.push_back({name, model, with_scale_power(precision)});
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
  add(kWithOverflows,
      small_gpt,
      {.compute = Compute::kFp16,
       .initial_scale_power = 22,
       .scale_window = 2,
       .hysteresis = 1});
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

bool is_finite(double norm) {
  return std::isfinite(norm);
}

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
  EXPECT_EQ(std::ranges::all_of(one.norms, is_finite),
            std::string(GetParam().name) != kWithOverflows);
  for (const Layout& layout : layouts) {
    SCOPED_TRACE(text(layout));
    expect_same(run_layout(config(), layout, kSteps), one);
  }
}

// Each rank rounds its summands, so results are as near as fp32's bounds times
// the ratio of the types' unit roundoffs. Data ranks and ZeRO change no bit of
// them.
TEST(PrecisionParityOfTensorRanks, IsWithinTheTypesBounds) {
  for (const Compute compute : {Compute::kBf16, Compute::kFp16}) {
    const auto precision = with_scale_power({.compute = compute});
    GridRunner runner(kSteps);
    for (const int tensor : {2, 4, 8}) {
      for (const bool sequence : {false, true}) {
        const Layout layout = {.data = 2,
                               .tensor = tensor,
                               .sequence = sequence,
                               .zero = 2,
                               .micro_batches = 2};
        const GridPoint point = {GridModel::kGpt, layout, precision};
        SCOPED_TRACE(text(point));
        const Distance distance = runner.run(point);
        EXPECT_EQ(text(distance), "");
        EXPECT_GT(distance.from_one.back(), 0);
      }
    }
  }
}

}  // namespace
}  // namespace dure
