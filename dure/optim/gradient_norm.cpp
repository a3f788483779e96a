#include "dure/optim/gradient_norm.h"

#include <algorithm>
#include <cmath>
#include <numeric>

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
  return std::sqrt(std::accumulate(sums_.begin(), sums_.end(), 0.0));
}

std::optional<std::size_t> GradientNorm::first_nonfinite() const {
  const auto found = std::find_if(sums_.begin(), sums_.end(), [](double sum) {
    return !std::isfinite(sum);
  });
  if (found == sums_.end()) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - sums_.begin());
}

double clip_scale(double norm, double limit) {
  return limit > 0 && norm > limit ? limit / (norm + kEpsilon) : 1;
}

}  // namespace dure::optim
