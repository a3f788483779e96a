// The sum of losses, without rounding and in tensor memory: micro-batches add
// to it, and the host waits for none of them.
#pragma once

#include "dure/base/exact_sum.h"
#include "dure/train/rank.h"

namespace dure::train {

class LossSum {
 public:
  // The sum begins at 0. The rank outlives this.
  explicit LossSum(Rank& rank);

  void clear();

  // Adds losses (N). Their sum is not rounded, so samples may be divided over
  // micro-batches and ranks in any way.
  void add(ConstTensor losses);

  // The digits, (ExactSum::kDigits) i64 (kernels/exact_sum.h).
  Tensor digits() const { return digits_; }

  // Waits for the device. It is 0 on kSim, where nothing is computed.
  ExactSum download() const;

 private:
  Rank& rank_;
  OwnedTensor digits_;
};

}  // namespace dure::train
