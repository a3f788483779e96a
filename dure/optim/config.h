// [optimizer]: how weights are updated, and how fast.
#pragma once

#include <cstdint>

#include "dure/optim/adamw.h"

namespace dure {
class Fields;
}  // namespace dure

namespace dure::optim {

// How the learning rate begins: schedule.h has the formulas.
enum class Warmup : std::uint8_t { kLinear, kLog };

// How the learning rate goes on after warm-up.
enum class DecayKind : std::uint8_t {
  kConstant,
  kLinear,
  kCosine,
  kInverseSquareRoot,
  kWsd,  // warm-up, stable, decay
};

// Whether a linear or cosine decay ends at the minimum, or heads for zero and
// stops at the minimum on its way.
enum class DecayTo : std::uint8_t { kMinimum, kZero };

// The shape of the last part of kWsd.
enum class WsdShape : std::uint8_t {
  kLinear,
  kCosine,
  kExponential,
  kSquareRoot,
};

// A value that resolve() replaces by the optimizer row's default.
inline constexpr double kAutomatic = -1;

struct OptimizerConfig {
  const OptimizerRow* name = &kAdamW;
  double learning_rate = 3e-4;
  double minimum_learning_rate = 0;
  std::int64_t warmup_steps = 0;
  Warmup warmup = Warmup::kLinear;
  DecayKind decay = DecayKind::kCosine;
  std::int64_t decay_steps = 0;  // 0: train.steps
  DecayTo decay_to = DecayTo::kMinimum;
  double wsd_share = 0.1;
  WsdShape wsd_shape = WsdShape::kLinear;
  double beta1 = kAutomatic;
  double beta2 = kAutomatic;
  double epsilon = kAutomatic;
  double momentum = 0.9;
  double weight_decay = 0.1;
  double clip_gradient = 1;

  bool operator==(const OptimizerConfig&) const = default;
};

void visit(Fields& fields, OptimizerConfig& config);

// Fills in automatic values, for a run of so many steps.
void resolve(OptimizerConfig& config, std::int64_t steps);

// Throws UsageError for values that contradict each other. The config must be
// resolved.
void validate(const OptimizerConfig& config);

}  // namespace dure::optim
