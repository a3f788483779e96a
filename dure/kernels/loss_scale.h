// The loss scale: gradients are those of the loss times a scale, so that the
// small ones do not vanish in f16, whose least number is 2^-24 [1]. A dynamic
// scale tries a large one, halves it when gradients overflow, and doubles it
// after a window of steps that did not.
//
// Three rules are in use, which differ in when they halve and in what happens
// at the minimum:
//
//   kMegatron   [2] An overflow lowers a tracker, from `hysteresis` on, and
//               halves the scale if the tracker is then 0 or less. `window`
//               good steps one after another double it and restore the tracker.
//               At the minimum it stays.
//   kDeepSpeed  [3] An overflow halves the scale if the tracker is 1, and else
//               lowers the tracker. A good step doubles it and restores the
//               tracker if its distance from the last overflow is a multiple of
//               `window`. At the minimum an overflow stops the run.
//   kTorch      [4] Every overflow halves the scale, and `window` good steps
//               one after another double it. There is no hysteresis. At the
//               minimum it stays; PyTorch has none.
//
// One deviation from [2] and [3]: like PyTorch, no rule doubles a scale beyond
// the largest float.
//
// [1] Micikevicius et al. 2018, ICLR, arXiv:1710.03740.
// [2] NVIDIA/Megatron-LM, megatron/core/optimizer/grad_scaler.py,
//     DynamicGradScaler.
// [3] microsoft/DeepSpeed, deepspeed/runtime/fp16/loss_scaler.py,
//     DynamicLossScaler, with its default consecutive_hysteresis = False.
// [4] PyTorch, torch/amp/grad_scaler.py, GradScaler.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

namespace dure::kernels {

// kNone: an overflow is nothing but a value that is not finite. kFixed: an
// overflow skips the update, and the scale never changes.
enum class LossScaleKind : std::uint8_t {
  kNone,
  kFixed,
  kMegatron,
  kDeepSpeed,
  kTorch,
};

struct LossScaleRule {
  LossScaleKind kind = LossScaleKind::kNone;
  std::int64_t window = 1000;
  std::int64_t hysteresis = 1;
  float minimum = 1;
  bool operator==(const LossScaleRule&) const = default;
};

inline constexpr std::int64_t kLossScaleNumbers = 4;

// A rule uses what it needs of it. In tensor memory the scale is one tensor,
// (1) f32, and the whole numbers another, (kLossScaleNumbers) i64.
struct LossScaleState {
  // Indices into the whole numbers:
  static constexpr std::int64_t kGoodSteps = 0;
  static constexpr std::int64_t kTracker = 1;
  static constexpr std::int64_t kIteration = 2;
  static constexpr std::int64_t kLastOverflow = 3;

  float scale = 1;
  std::int64_t good_steps = 0;  // since the last overflow or doubling
  std::int64_t tracker = 1;     // what is left of the hysteresis
  std::int64_t iteration = 0;   // of the next step
  std::int64_t last_overflow = -1;
  bool operator==(const LossScaleState&) const = default;
};

constexpr std::array<std::int64_t, kLossScaleNumbers> numbers_of(
    const LossScaleState& state) {
  return {
      state.good_steps, state.tracker, state.iteration, state.last_overflow};
}
constexpr LossScaleState loss_scale_state(float scale,
                                          const std::int64_t* numbers) {
  return {.scale = scale,
          .good_steps = numbers[LossScaleState::kGoodSteps],
          .tracker = numbers[LossScaleState::kTracker],
          .iteration = numbers[LossScaleState::kIteration],
          .last_overflow = numbers[LossScaleState::kLastOverflow]};
}

constexpr LossScaleState first_state(const LossScaleRule& rule, float scale) {
  return {.scale = scale, .tracker = rule.hysteresis};
}

constexpr float halved(const LossScaleRule& rule, float scale) {
  return std::max(scale / 2, rule.minimum);
}
constexpr float doubled(float scale) {
  return scale <= std::numeric_limits<float>::max() / 2 ? 2 * scale : scale;
}

// Whether the rule has it that the run ends if a step overflows in this state.
constexpr bool stops_at_overflow(const LossScaleRule& rule,
                                 const LossScaleState& state) {
  return rule.kind == LossScaleKind::kDeepSpeed && state.tracker <= 1 &&
         state.scale <= rule.minimum;
}

constexpr LossScaleState next_by_count(const LossScaleRule& rule,
                                       LossScaleState state,
                                       bool overflow) {
  if (overflow) {
    state.good_steps = 0;
    --state.tracker;
    if (state.tracker <= 0) {
      state.scale = halved(rule, state.scale);
    }
  } else if (++state.good_steps == rule.window) {
    state.good_steps = 0;
    state.tracker = rule.hysteresis;
    state.scale = doubled(state.scale);
  }
  return state;
}

constexpr LossScaleState next_by_distance(const LossScaleRule& rule,
                                          LossScaleState state,
                                          bool overflow) {
  if (overflow) {
    if (state.tracker <= 1) {
      state.scale = halved(rule, state.scale);
    } else {
      --state.tracker;
    }
    state.last_overflow = state.iteration;
  } else if ((state.iteration - state.last_overflow) % rule.window == 0) {
    state.tracker = rule.hysteresis;
    state.scale = doubled(state.scale);
  }
  ++state.iteration;
  return state;
}

// The state after a step. PyTorch's rule is Megatron's without the hysteresis.
constexpr LossScaleState next(const LossScaleRule& rule,
                              LossScaleState state,
                              bool overflow) {
  switch (rule.kind) {
    case LossScaleKind::kMegatron:
      return next_by_count(rule, state, overflow);
    case LossScaleKind::kDeepSpeed:
      return next_by_distance(rule, state, overflow);
    case LossScaleKind::kTorch:
      state.tracker = 1;
      return next_by_count(rule, state, overflow);
    case LossScaleKind::kNone:
    case LossScaleKind::kFixed:
      break;
  }
  return state;
}

}  // namespace dure::kernels
