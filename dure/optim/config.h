// [optimizer]: how weights are updated, and how fast.
#pragma once

#include <cstdint>

namespace dure {
class Fields;
}  // namespace dure

namespace dure::optim {

enum class OptimizerKind : std::uint8_t { kAdamW, kSgd };

// How the learning rate begins: see schedule.h for the formulas.
enum class Warmup : std::uint8_t { kLinear, kLog };

// How it goes on after warm-up.
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

struct OptimizerConfig {
  OptimizerKind name = OptimizerKind::kAdamW;
  double learning_rate = 3e-4;
  double minimum_learning_rate = 0;
  std::int64_t warmup_steps = 0;
  Warmup warmup = Warmup::kLinear;
  DecayKind decay = DecayKind::kCosine;
  std::int64_t decay_steps = 0;  // 0: train.steps
  DecayTo decay_to = DecayTo::kMinimum;
  double wsd_share = 0.1;
  WsdShape wsd_shape = WsdShape::kLinear;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double momentum = 0.9;
  double weight_decay = 0.1;
  double clip_gradient = 1;

  bool operator==(const OptimizerConfig&) const = default;
};

void visit(Fields& fields, OptimizerConfig& config);

// Throws UsageError for values that do not go together. The config must be
// resolved.
void validate(const OptimizerConfig& config);

// Bytes of state a parameter of f32: 8 for AdamW, 4 or 0 for SGD.
std::int64_t state_bytes_per_parameter(const OptimizerConfig& config);

}  // namespace dure::optim
