// The update of weights that are whole on one rank, for the historical forms of
// data parallelism.
#pragma once

#include <cstdint>
#include <vector>

#include "dure/kernels/update.h"
#include "dure/nn/parameter.h"
#include "dure/optim/config.h"
#include "dure/train/rank.h"

namespace dure::data_parallel {

class WholeUpdate {
 public:
  // Allocates states; all references outlive this.
  WholeUpdate(train::Rank& rank,
              const nn::ParameterSet& parameters,
              const optim::OptimizerConfig& config);

  // Updates the weights from their gradients, given the sum of the losses,
  // (kSumDigits) i64. Throws Error, and changes nothing, if either is not
  // finite.
  void run(ConstTensor loss);

 private:
  void decide(ConstTensor loss);
  void apply();

  train::Rank& rank_;
  const nn::ParameterSet& parameters_;
  optim::OptimizerConfig config_;
  std::vector<OwnedTensor> states_;
  OwnedTensor control_;
  OwnedTensor counters_;     // of kernels::DecideUpdate
  OwnedTensor outcome_;      // of kernels::DecideUpdate
  OwnedTensor rates_;        // (1, K)
  OwnedTensor squares_;      // (kSumDigits)   i64
  OwnedTensor numbers_;      // (2)   i64: the first update, the first weight
                             // that is not finite
  OwnedTensor weight_sums_;  // of an optimizer that measures
  std::int64_t updates_ = 0;
};

}  // namespace dure::data_parallel
