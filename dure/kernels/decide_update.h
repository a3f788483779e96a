// Whether an update is made, and with which scale and rates: decided where the
// gradients are, so that nobody waits for the host.
//
//   norm   = sqrt(squares)
//   finite = both norm and loss are
//   made   = finite and not stopped before
//   scale  = clip / (norm + 1e-6) where clip > 0 and norm > clip, else 1
//
// The host does not know whether the steps before were made, as it reads that
// later. So it gives the rates of each number that the update may have, and
// this takes those of the one that it has.
#pragma once

#include "dure/kernels/squared_norm.h"
#include "dure/kernels/update.h"

namespace dure::kernels {

// After an update that is not finite: later ones are made, or none is, so that
// the last good state stays.
enum class AfterNonfinite : std::uint8_t { kGoOn, kStop };

struct DecideUpdate {
  static constexpr const char* kName = "decide_update";

  // Of `counters`.
  static constexpr std::int64_t kMade = 0;     // updates made so far
  static constexpr std::int64_t kStopped = 1;  // 1 once there are no more
  static constexpr std::int64_t kCounters = 2;

  // Of `outcome`.
  static constexpr std::int64_t kIsMade = 0;        // 1, or 0: left out
  static constexpr std::int64_t kUpdatesAfter = 1;  // the counter, after it
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
