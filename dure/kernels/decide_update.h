// Whether an update is made, and with which factor of gradients and rates. It
// is decided where the gradients are, so that nothing waits for the host.
//
// Gradients are those of the loss times loss_scale, which is 1 if there is none
// (loss_scale.h):
//
//   norm     = sqrt(squares) / loss_scale
//   finite   = norm and loss are finite
//   overflow = loss is finite, norm is not, and there is a rule
//   made     = finite and not stopped before
//   clip     = clip / (norm + 1e-6) where clip > 0 and norm > clip, else 1
//   factor   = clip / loss_scale
//
// An overflow skips the update and changes the scale by the rule; it stops
// later updates only where the rule stops the run. A step that is made also
// moves the rule on. One whose loss is not finite, and, without a rule, any
// that is not finite, does what after_nonfinite says and leaves the scale.
//
// Under a rule all ranks must find the same squares. Ranks that decide alone
// may have a fixed scale without a rule: a rank then stops at an overflow.
//
// The host learns only later whether the steps before were made. So it gives
// the rates for each number that the update may have, and this operation takes
// those of the actual one.
#pragma once

#include <bit>
#include <span>

#include "dure/kernels/loss_scale.h"
#include "dure/kernels/squared_norm.h"
#include "dure/kernels/update.h"

namespace dure::kernels {

// After an update that is not finite, either later ones are made, or none is,
// so that the last good state stays.
enum class AfterNonfinite : std::uint8_t { kGoOn, kStop };

struct DecideUpdate {
  static constexpr const char* kName = "decide_update";

  // Indices into `counters`:
  static constexpr std::int64_t kMade = 0;     // updates made so far
  static constexpr std::int64_t kStopped = 1;  // 1 once there are no more
  static constexpr std::int64_t kCounters = 2;

  // Indices into `outcome`, for UpdateOutcome:
  static constexpr std::int64_t kIsMade = 0;        // 1, or 0: skipped
  static constexpr std::int64_t kUpdatesAfter = 1;  // kMade, after it
  static constexpr std::int64_t kIsOverflow = 2;    // 1 or 0
  static constexpr std::int64_t kEndsRun = 3;     // 1: overflow at the minimum
  static constexpr std::int64_t kScaleUsed = 4;   // the bits of loss_scale
  static constexpr std::int64_t kScaleAfter = 5;  // its bits, after it
  static constexpr std::int64_t kNumbersAfter = 6;  // loss_scale_numbers, after
  static constexpr std::int64_t kOutcomes = kNumbersAfter + kLossScaleNumbers;

  Tensor control;       // (kDecisions + K)   f32, overwritten
  Tensor outcome;       // (kOutcomes)        i64, overwritten
  Tensor counters;      // (kCounters)        i64, updated
  ConstTensor loss;     // (kSumDigits)       i64: a sum
  ConstTensor squares;  // (kSumDigits)       i64: a sum
  ConstTensor rates;    // (n, K)   f32: those of update numbers first_update,
                        //          first_update + 1, ...
  ConstTensor first_update;  // (1)  i64
  double clip = 0;
  AfterNonfinite after_nonfinite = AfterNonfinite::kStop;
  // A rule needs both tensors. Without a rule either may be absent.
  LossScaleRule rule = {};
  Tensor loss_scale = {};          // (1)                   f32, updated
  Tensor loss_scale_numbers = {};  // (kLossScaleNumbers)   i64, updated

  static void visit(auto& op, auto&& tensors) {
    tensors(op.control,
            op.outcome,
            op.counters,
            op.loss,
            op.squares,
            op.rates,
            op.first_update,
            op.loss_scale,
            op.loss_scale_numbers);
  }
};

void check(const DecideUpdate& op);
Cost cost(const DecideUpdate& op);
void run(OnCpu, Stream& stream, const DecideUpdate& op);
void run(OnCuda, Stream& stream, const DecideUpdate& op);

// This is what `outcome` says, for the host.
struct UpdateOutcome {
  bool is_made = false;
  std::int64_t updates_after = 0;
  bool is_overflow = false;
  bool ends_run = false;
  float scale_used = 1;
  LossScaleState after = {};
  bool operator==(const UpdateOutcome&) const = default;
};

constexpr std::array<std::int64_t, DecideUpdate::kOutcomes> numbers_of(
    const UpdateOutcome& outcome) {
  std::array<std::int64_t, DecideUpdate::kOutcomes> numbers = {
      outcome.is_made ? 1 : 0,
      outcome.updates_after,
      outcome.is_overflow ? 1 : 0,
      outcome.ends_run ? 1 : 0,
      std::bit_cast<std::int32_t>(outcome.scale_used),
      std::bit_cast<std::int32_t>(outcome.after.scale)};
  std::ranges::copy(numbers_of(outcome.after),
                    numbers.begin() + DecideUpdate::kNumbersAfter);
  return numbers;
}

constexpr UpdateOutcome outcome_in(
    std::span<const std::int64_t, DecideUpdate::kOutcomes> numbers) {
  const auto float_in = [&](std::size_t i) {
    return std::bit_cast<float>(static_cast<std::int32_t>(numbers[i]));
  };
  return {
      .is_made = numbers[DecideUpdate::kIsMade] != 0,
      .updates_after = numbers[DecideUpdate::kUpdatesAfter],
      .is_overflow = numbers[DecideUpdate::kIsOverflow] != 0,
      .ends_run = numbers[DecideUpdate::kEndsRun] != 0,
      .scale_used = float_in(DecideUpdate::kScaleUsed),
      .after = loss_scale_state(float_in(DecideUpdate::kScaleAfter),
                                numbers.data() + DecideUpdate::kNumbersAfter)};
}

}  // namespace dure::kernels
