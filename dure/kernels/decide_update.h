// Whether an update is made, and with which scale and rates. It is decided
// where the gradients are, so that nothing waits for the host.
//
//   norm   = sqrt(squares)
//   finite = norm and loss are finite
//   made   = finite and not stopped before
//   scale  = clip / (norm + 1e-6) where clip > 0 and norm > clip, else 1
//
// The host learns only later whether the steps before were made. So it gives
// the rates for each number that the update may have, and this operation takes
// those of the actual one.
#pragma once

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

  // Indices into `outcome`:
  static constexpr std::int64_t kIsMade = 0;        // 1, or 0: skipped
  static constexpr std::int64_t kUpdatesAfter = 1;  // kMade, after it
  static constexpr std::int64_t kOutcomes = 2;

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
};

void check(const DecideUpdate& op);
Cost cost(const DecideUpdate& op);
void run(OnCpu, Stream& stream, const DecideUpdate& op);
void run(OnCuda, Stream& stream, const DecideUpdate& op);

}  // namespace dure::kernels
