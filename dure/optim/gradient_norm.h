// The global norm of the gradients, and clipping by it [1, section 10.11.1].
//
// [1] Goodfellow, Bengio and Courville 2016, "Deep Learning".
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "dure/optim/optimizer.h"

namespace dure::optim {

class GradientNorm {
 public:
  explicit GradientNorm(const std::vector<Target>& targets);

  // The 2-norm of all gradients together. Sums are f64, in the order of the
  // targets.
  double compute(Stream& stream);

  // After compute: the first target with a NaN or infinity, by its place.
  std::optional<std::size_t> first_nonfinite() const;

 private:
  std::vector<ConstTensor> gradients_;
  std::vector<double> sums_;
};

// What gradients are multiplied by, so that their norm is at most `limit`;
// limit 0: never clipped.
double clip_scale(double norm, double limit);

}  // namespace dure::optim
