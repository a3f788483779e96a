#include "dure/kernels/loss_scale.h"

#include <gtest/gtest.h>

namespace dure::kernels {
namespace {

constexpr LossScaleRule kMegatron = {.kind = LossScaleKind::kMegatron,
                                     .hysteresis = 2};
constexpr LossScaleRule kDeepSpeed = {.kind = LossScaleKind::kDeepSpeed,
                                      .hysteresis = 2};
constexpr LossScaleRule kTorch = {.kind = LossScaleKind::kTorch,
                                  .window = 2000};

constexpr LossScaleState after(const LossScaleRule& rule,
                               LossScaleState state,
                               int overflows,
                               int good_steps = 0) {
  for (int i = 0; i < overflows; ++i) {
    state = next(rule, state, true);
  }
  for (int i = 0; i < good_steps; ++i) {
    state = next(rule, state, false);
  }
  return state;
}

constexpr float scale_after(const LossScaleRule& rule,
                            float first,
                            int overflows,
                            int good_steps = 0) {
  return after(rule, first_state(rule, first), overflows, good_steps).scale;
}

// The compiler can run it, and so can a kernel of a GPU.
static_assert(scale_after(kMegatron, 0x1p32F, 2) == 0x1p31F);

// Published runs: from 2^32 with a hysteresis of 2, k overflows in a row leave
// 2^(32 - (k - 1)).
TEST(LossScale, IsThatOfPublishedRuns) {
  for (const LossScaleRule& rule : {kMegatron, kDeepSpeed}) {
    EXPECT_EQ(scale_after(rule, 0x1p32F, 1), 4294967296.0F);
    EXPECT_EQ(scale_after(rule, 0x1p32F, 10), 8388608.0F);
    EXPECT_EQ(scale_after(rule, 0x1p32F, 16), 131072.0F);
    EXPECT_EQ(scale_after(rule, 0x1p32F, 17), 65536.0F);
    EXPECT_EQ(scale_after(rule, 0x1p32F, 17, 900), 65536.0F);
    EXPECT_EQ(scale_after(rule, 0x1p32F, 20), 8192.0F);
    EXPECT_EQ(scale_after(rule, 0x1p32F, 23), 1024.0F);
  }
  EXPECT_EQ(scale_after(kTorch, 65536, 5), 2048.0F);
}

TEST(LossScale, GrowsAfterAWindowOfGoodSteps) {
  for (LossScaleRule rule : {kMegatron, kDeepSpeed, kTorch}) {
    rule.window = 100;
    const float few = scale_after(rule, 1024, 3, 99);
    EXPECT_EQ(scale_after(rule, 1024, 3, 100), 2 * few);
    EXPECT_EQ(scale_after(rule, 1024, 3, 199), 2 * few);
    EXPECT_EQ(scale_after(rule, 1024, 3, 200), 4 * few);
    EXPECT_EQ(scale_after(rule, 1024, 0, 100), 2048);
  }
}

TEST(LossScale, AnOverflowBeginsTheWindowAnew) {
  for (LossScaleRule rule : {kMegatron, kDeepSpeed, kTorch}) {
    rule.window = 100;
    LossScaleState state = after(rule, first_state(rule, 1024), 3, 99);
    state = after(rule, state, 1);
    const float low = state.scale;
    EXPECT_EQ(after(rule, state, 0, 99).scale, low);
    EXPECT_EQ(after(rule, state, 0, 100).scale, 2 * low);
  }
}

// A used-up hysteresis comes back with growth, not with a good step.
TEST(LossScale, GrowthRestoresTheHysteresis) {
  for (LossScaleRule rule : {kMegatron, kDeepSpeed}) {
    rule.window = 10;
    const LossScaleState used = after(rule, first_state(rule, 1024), 1);
    EXPECT_EQ(used.scale, 1024);
    EXPECT_EQ(after(rule, after(rule, used, 0, 9), 1).scale, 512);
    const LossScaleState restored = after(rule, used, 0, 10);
    EXPECT_EQ(restored.scale, 2048);
    EXPECT_EQ(after(rule, restored, 1).scale, 2048);
    EXPECT_EQ(after(rule, restored, 2).scale, 1024);
  }
}

// The tracker is that of a checkpoint under another rule.
TEST(LossScale, OfTorchHasNoHysteresis) {
  LossScaleState state = {.scale = 1024, .tracker = 5};
  state = next(kTorch, state, true);
  EXPECT_EQ(state.scale, 512);
  EXPECT_EQ(next(kTorch, state, true).scale, 256);
}

TEST(LossScale, StaysAtTheMinimumExceptWhereTheRunEnds) {
  const auto state_at_minimum = [](const LossScaleRule& rule) {
    return after(rule, first_state(rule, 4), 3);
  };
  for (const LossScaleRule& rule : {kMegatron, kDeepSpeed, kTorch}) {
    const LossScaleState state = state_at_minimum(rule);
    EXPECT_EQ(state.scale, 1);
    EXPECT_EQ(stops_at_overflow(rule, state),
              rule.kind == LossScaleKind::kDeepSpeed);
    EXPECT_EQ(next(rule, state, true).scale, 1);
  }
  // The hysteresis of DeepSpeed holds at the minimum too.
  EXPECT_FALSE(stops_at_overflow(kDeepSpeed, first_state(kDeepSpeed, 1)));
}

TEST(LossScale, ThatIsFixedNeverChanges) {
  for (const LossScaleKind kind :
       {LossScaleKind::kNone, LossScaleKind::kFixed}) {
    const LossScaleRule rule = {.kind = kind, .window = 1};
    const LossScaleState state = first_state(rule, 1024);
    EXPECT_EQ(after(rule, state, 3, 3), state);
    EXPECT_FALSE(stops_at_overflow(rule, {.scale = 1}));
  }
}

TEST(LossScale, StaysFinite) {
  const LossScaleRule rule = {.kind = LossScaleKind::kTorch, .window = 1};
  EXPECT_EQ(scale_after(rule, 0x1p127F, 0, 3), 0x1p127F);
}

TEST(LossScaleState, ComesBackFromItsNumbers) {
  const LossScaleState state = {.scale = 8,
                                .good_steps = 1,
                                .tracker = -2,
                                .iteration = 3,
                                .last_overflow = 4};
  EXPECT_EQ(loss_scale_state(8, numbers_of(state).data()), state);
}

}  // namespace
}  // namespace dure::kernels
