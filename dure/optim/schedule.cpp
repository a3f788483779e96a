#include "dure/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace dure::optim {
namespace {

double as_double(std::int64_t value) {
  return static_cast<double>(value);
}

double cosine(double r) {
  return (1 + std::cos(std::numbers::pi * r)) / 2;
}

double warmup(double s, const OptimizerConfig& c) {
  const double w = as_double(c.warmup_steps);
  return c.warmup == Warmup::kLog
             ? c.learning_rate * std::log(s + 1) / std::log(std::max(w, 2.0))
             : c.learning_rate * s / w;
}

// Goes from learning_rate at shape 1 to `low` at 0; at least the minimum.
double between(double low, double shape, const OptimizerConfig& c) {
  return std::max(c.minimum_learning_rate,
                  low + (c.learning_rate - low) * shape);
}

double low_of(const OptimizerConfig& c) {
  return c.decay_to == DecayTo::kZero ? 0 : c.minimum_learning_rate;
}

// The share of the decay, which starts after update `start`, that is over at s.
double progress(double s, double start, const OptimizerConfig& c) {
  return std::min(1.0, (s - start) / (as_double(c.decay_steps) - start));
}

double wsd_shape(double r, WsdShape shape) {
  switch (shape) {
    case WsdShape::kLinear:
      return 1 - r;
    case WsdShape::kCosine:
      return cosine(r);
    case WsdShape::kExponential:
      return 2 * std::pow(0.5, r) - 1;
    case WsdShape::kSquareRoot:
      return 1 - std::sqrt(r);
  }
  return 0;
}

double wsd(double s, const OptimizerConfig& c) {
  const double end = as_double(c.decay_steps);
  const double falling =
      std::min(std::round(c.wsd_share * end), end - as_double(c.warmup_steps));
  const double start = end - falling;
  if (s <= start) {
    return c.learning_rate;
  }
  const double r = progress(s, start, c);
  return between(c.minimum_learning_rate, wsd_shape(r, c.wsd_shape), c);
}

}  // namespace

double learning_rate(std::int64_t update, const OptimizerConfig& c) {
  const double s = as_double(update);
  const double w = as_double(c.warmup_steps);
  if (update < c.warmup_steps) {
    return warmup(s, c);
  }
  switch (c.decay) {
    case DecayKind::kConstant:
      return c.learning_rate;
    case DecayKind::kLinear:
      return between(low_of(c), 1 - progress(s, w, c), c);
    case DecayKind::kCosine:
      return between(low_of(c), cosine(progress(s, w, c)), c);
    case DecayKind::kInverseSquareRoot:
      return between(0, std::sqrt(std::max(w, 1.0) / std::max(s, 1.0)), c);
    case DecayKind::kWsd:
      return wsd(s, c);
  }
  return c.learning_rate;
}

}  // namespace dure::optim
