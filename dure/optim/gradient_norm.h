// The global norm of the gradients, and clipping by it [1, section 10.11.1].
//
// [1] Goodfellow, Bengio and Courville 2016, "Deep Learning".
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "dure/base/exact_sum.h"
#include "dure/optim/optimizer.h"

namespace dure::optim {

class GradientNorm {
 public:
  explicit GradientNorm(const std::vector<Target>& targets);

  // Sums up the squares of what gradients this rank has, and returns the 2-norm
  // of them all together.
  double compute(Stream& stream);

  // After compute, for ranks that share the gradients out: the sum of all
  // squares. Added up over the ranks it is the same however they are shared, if
  // every weight is cut at multiples of SquaredNorm::kGroup from its start.
  ExactSum total() const;

  // After compute: the first target with a NaN or infinity, by its place.
  std::optional<std::size_t> first_nonfinite() const;

 private:
  std::vector<ConstTensor> gradients_;
  std::vector<ExactSum> sums_;
};

// The root of the sum of squares.
double norm_of(const ExactSum& squares);

// What gradients are multiplied by, so that their norm is at most `limit`;
// limit 0: never clipped.
double clip_scale(double norm, double limit);

}  // namespace dure::optim
