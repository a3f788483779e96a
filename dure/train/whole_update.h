// The update of weights that lie whole on one rank: what the forms of data
// parallelism need of an optimizer.
#pragma once

#include <cstdint>
#include <vector>

#include "dure/base/exact_sum.h"
#include "dure/kernels/update.h"
#include "dure/nn/parameter.h"
#include "dure/optim/config.h"
#include "dure/train/rank.h"

namespace dure::train {

class WholeUpdate {
 public:
  // States are allocated; all references outlive this.
  WholeUpdate(Rank& rank,
              const nn::ParameterSet& parameters,
              const optim::OptimizerConfig& config);

  // Updates the weights from their gradients, given the sum of the losses.
  // Throws Error, with nothing changed, where either is not finite.
  void run(ExactSum loss);

 private:
  void decide(ExactSum loss);
  void apply();
  Tensor flat_sum(std::int64_t row) const;

  Rank& rank_;
  const nn::ParameterSet& parameters_;
  optim::OptimizerConfig config_;
  std::vector<OwnedTensor> states_;
  OwnedTensor control_;
  OwnedTensor counters_;     // of kernels::DecideUpdate, and its outcome
  OwnedTensor rates_;        // (1, K)
  OwnedTensor sums_;         // (2, kSumDigits)         i64: loss, squares
  OwnedTensor numbers_;      // (2)   i64: the first update, the first weight
                             // that is not finite
  OwnedTensor weight_sums_;  // of an optimizer that measures
  std::int64_t updates_ = 0;
};

}  // namespace dure::train
