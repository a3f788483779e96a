// Counts the gradients that a rank owns by their exponents
// (gradient_exponents.h).
#pragma once

#include <vector>

#include "dure/parallel/data/parameter_store.h"
#include "dure/train/rank.h"
#include "dure/train/rank_model.h"

namespace dure::train {

class GradientCounter {
 public:
  // `slices` are those that this rank counts, by bucket, so that all ranks
  // together count each gradient once. References outlive this.
  GradientCounter(Rank& rank,
                  RankModel& rank_model,
                  std::vector<parallel::Slice> slices);

  // Adds the gradients of now, which are those of the loss times its scale, to
  // `counts`, as kernels::CountExponents does.
  void add_to(Tensor counts, ConstTensor loss_scale);

 private:
  Rank& rank_;
  RankModel& rank_model_;
  std::vector<parallel::Slice> slices_;  // without the vocabulary's padding
  std::vector<ConstTensor> gradients_;
};

}  // namespace dure::train
