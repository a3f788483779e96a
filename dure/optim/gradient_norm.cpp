#include "dure/optim/gradient_norm.h"

#include <algorithm>
#include <cmath>

#include "dure/kernels/update.h"

namespace dure::optim {
namespace {

// Keeps a norm of 0 from dividing; the same as PyTorch's clip_grad_norm_.
constexpr double kEpsilon = 1e-6;

}  // namespace

GradientNorm::GradientNorm(const std::vector<Target>& targets)
    : sums_(targets.size()) {
  gradients_.reserve(targets.size());
  for (const Target& target : targets) {
    gradients_.push_back(target.gradient);
  }
}

double GradientNorm::compute(Stream& stream) {
  launch(stream, kernels::SquaredNorm{.sums = sums_, .spans = gradients_});
  return norm_of(total());
}

ExactSum GradientNorm::total() const {
  ExactSum total;
  for (const ExactSum& sum : sums_) {
    total.add(sum);
  }
  return total;
}

std::optional<std::size_t> GradientNorm::first_nonfinite() const {
  const auto found =
      std::find_if(sums_.begin(), sums_.end(), [](const ExactSum& sum) {
        return !std::isfinite(sum.value());
      });
  if (found == sums_.end()) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - sums_.begin());
}

double norm_of(const ExactSum& squares) {
  return std::sqrt(squares.value());
}

double clip_scale(double norm, double limit) {
  return limit > 0 && norm > limit ? limit / (norm + kEpsilon) : 1;
}

}  // namespace dure::optim
