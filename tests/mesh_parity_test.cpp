// The flagship test: every mesh against one rank. Where pipe, data and ZeRO
// vary, and sums are ranked, every bit is the same, whatever the schedule.
// Where tensor ranks share matrices, the bits are those of as many tensor ranks
// alone.

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/drawn_points.h"
#include "tests/mesh_grid.h"

namespace dure {
namespace {

using parallel::ScheduleKind;
using train::Config;

constexpr int kSteps = 6;

struct Model {
  const char* name;
  Config (*config)();
};

// Fourteen tiny blocks are enough for eight stages of two chunks.
Config deep(Config config) {
  config.model.layers = 14;
  return config;
}

Config deep_gpt() {
  Config config = deep(small_gpt());
  config.model.dropout = 0.1;
  return config;
}

Config deep_untied_gpt() {
  Config config = deep(small_gpt());
  config.model.tie_embeddings = false;
  return config;
}

Config deep_llama() {
  return deep(small_llama());
}

constexpr Model kModels[] = {
    {"Gpt", deep_gpt}, {"UntiedGpt", deep_untied_gpt}, {"Llama", deep_llama}};

class MeshParity : public testing::TestWithParam<Model> {};

INSTANTIATE_TEST_SUITE_P(Models,
                         MeshParity,
                         testing::ValuesIn(kModels),
                         [](const auto& model) {
                           return std::string(model.param.name);
                         });

TEST_P(MeshParity, SchedulesChangeNoBit) {
  const Config config = GetParam().config();
  const ParityOutcome one = run_layout(config, {.micro_batches = 4}, kSteps);
  EXPECT_LT(one.losses.back(), one.losses.front());
  for (const auto& [name, kind] : parallel::schedules()) {
    if (!parallel::is_synchronous(kind)) {
      continue;
    }
    for (const int pipe : {1, 2, 4}) {
      const Layout layout = {
          .pipe = pipe, .schedule = kind, .micro_batches = 4};
      SCOPED_TRACE(text(layout));
      expect_same(run_layout(config, layout, kSteps), one);
    }
  }
}

// Some stages have only an embedding or a head.
TEST_P(MeshParity, SplitsChangeNoBit) {
  Config config = GetParam().config();
  const Layout layout = {.pipe = 4, .micro_batches = 4};
  const ParityOutcome one = run_layout(config, {.micro_batches = 4}, kSteps);
  for (const char* split :
       {"1,9,5,1", "2,1,12,1", "parameters", "type:head|embedding"}) {
    SCOPED_TRACE(split);
    config.parallel.split = split;
    expect_same(run_layout(config, layout, kSteps), one);
  }
}

TEST_P(MeshParity, PipelinesOfDataAndZeroChangeNoBit) {
  const Config config = GetParam().config();
  const ParityOutcome one = run_layout(config, {.micro_batches = 8}, kSteps);
  for (const ScheduleKind kind :
       {ScheduleKind::k1F1B, ScheduleKind::kInterleaved, ScheduleKind::kZbV}) {
    for (const int zero : {0, 1, 2, 3}) {
      const Layout layout = {.pipe = 2,
                             .data = 2,
                             .zero = zero,
                             .schedule = kind,
                             .micro_batches = 4};
      SCOPED_TRACE(text(layout));
      expect_same(run_layout(config, layout, kSteps), one);
    }
  }
}

// The head's gradients are made in its backward, or, if it is untied, with the
// weight gradients that a schedule defers.
TEST_P(MeshParity, KeptLogitsChangeNoBit) {
  Config config = GetParam().config();
  const ParityOutcome one = run_layout(config, {.micro_batches = 4}, kSteps);
  config.memory.logits = train::LogitsMemory::kWhole;
  for (const auto& [name, kind] : parallel::schedules()) {
    if (!parallel::is_synchronous(kind)) {
      continue;
    }
    for (const auto& [pipe, data, zero] :
         {std::array{1, 1, 0}, {2, 1, 0}, {4, 1, 0}, {2, 2, 3}}) {
      const Layout layout = {.pipe = pipe,
                             .data = data,
                             .zero = zero,
                             .schedule = kind,
                             .micro_batches = 4 / data};
      SCOPED_TRACE(text(layout));
      expect_same(run_layout(config, layout, kSteps), one);
    }
  }
}

TEST_P(MeshParity, KeptLogitsChangeNoBitOfTensorRanks) {
  Config config = GetParam().config();
  for (const bool sequence : {false, true}) {
    Layout layout = {.tensor = 2, .sequence = sequence, .micro_batches = 4};
    config.memory.logits = train::LogitsMemory::kBlocks;
    const ParityOutcome one = run_layout(config, layout, kSteps);
    config.memory.logits = train::LogitsMemory::kWhole;
    layout.pipe = 2;
    layout.recompute = model::Recompute::kFull;
    for (const ScheduleKind kind : {ScheduleKind::k1F1B, ScheduleKind::kZbV}) {
      layout.schedule = kind;
      SCOPED_TRACE(text(layout));
      expect_same(run_layout(config, layout, kSteps), one);
    }
  }
}

// These are samples of the grid; make parity runs all of it.
TEST(MeshGrid, ASampleAgreesWithOneRank) {
  constexpr std::size_t kEvery = 211;  // a prime: every axis is met
  const std::vector<GridPoint> grid = mesh_grid(8);
  GridRunner runner(3);
  for (std::size_t i = 0; i < grid.size(); i += kEvery) {
    SCOPED_TRACE(text(grid[i]));
    EXPECT_EQ(text(runner.run(grid[i])), "");
  }
}

TEST(MeshGrid, ADrawOfLayoutsAndTypesAgreesWithOneRank) {
  constexpr std::size_t kDraws = 48;
  const std::uint64_t seed = draw_seed();
  std::printf("drawn with --gtest_random_seed=%d\n", static_cast<int>(seed));
  for (const auto& [point, command] : draw_points(seed, kDraws)) {
    SCOPED_TRACE(text(point) + "\nfor more steps: " + command);
    GridRunner runner(3);
    EXPECT_EQ(text(runner.run(point)), "");
  }
}

}  // namespace
}  // namespace dure
