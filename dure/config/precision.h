// [precision]: the types of a run's numbers, and its loss scale.
//
// A product always adds up in fp32, and so do softmax, the statistics of norms,
// the cross-entropy and sums over ranks (docs/numerics.md); these keys say in
// which types numbers are kept and sent.
#pragma once

#include <cstdint>
#include <optional>

#include "dure/kernels/loss_scale.h"
#include "dure/kernels/matmul.h"
#include "dure/model/unit.h"
#include "dure/tensor/dtype.h"

namespace dure {
class Fields;
}  // namespace dure

namespace dure::train {

enum class Compute : std::uint8_t { kFp32, kBf16, kFp16 };

// A type of its own, or that of `compute`.
enum class KeptIn : std::uint8_t { kAuto, kFp32, kCompute };

enum class Master : std::uint8_t { kFp32, kNone };

enum class StateType : std::uint8_t { kFp32, kBf16 };

// Values of loss_scale and of the keys of a dynamic one.
inline constexpr double kDynamicScale = 0;
inline constexpr std::int64_t kAutoScale = -1;
inline constexpr auto kAutoRule = kernels::LossScaleKind::kNone;

struct PrecisionConfig {
  Compute compute = Compute::kFp32;
  bool tf32 = false;
  KeptIn residual = KeptIn::kAuto;
  KeptIn gradients = KeptIn::kAuto;
  KeptIn reduce = KeptIn::kAuto;
  Master master = Master::kFp32;
  StateType states = StateType::kFp32;
  double loss_scale = kAutoScale;  // kDynamicScale, or a fixed one
  kernels::LossScaleKind scale_rule = kAutoRule;
  std::int64_t initial_scale_power = kAutoScale;
  std::int64_t scale_window = kAutoScale;
  std::int64_t hysteresis = kAutoScale;
  double minimum_scale = kAutoScale;

  bool operator==(const PrecisionConfig&) const = default;
};

void visit(Fields& fields, PrecisionConfig& config);

// Fills in automatic values: those of the table in precision.cpp. The keys of a
// dynamic scale stay automatic where there is none.
void resolve(PrecisionConfig& config);

// Throws UsageError for values that contradict each other. The config must be
// resolved.
void validate(const PrecisionConfig& config);

// Below, the config must be resolved.

DType compute_type(const PrecisionConfig& config);
kernels::F32Product f32_product(const PrecisionConfig& config);
model::Types model_types(const PrecisionConfig& config);

// The type that gradients have on their way between ranks.
DType reduce_type(const PrecisionConfig& config);
// kF32, or that of the weights if they are their own masters.
DType master_type(const PrecisionConfig& config);
DType state_type(const PrecisionConfig& config);

// Whether weights are copies of masters.
bool has_masters(const PrecisionConfig& config);

// Whether an update may be skipped for its loss scale.
bool scales_loss(const PrecisionConfig& config);
float first_loss_scale(const PrecisionConfig& config);
kernels::LossScaleState first_loss_scale_state(const PrecisionConfig& config);

// The state that a run goes on with: the saved one, if the scale is dynamic
// now, within the minimum and hysteresis of now; else a first one.
kernels::LossScaleState next_loss_scale_state(
    const PrecisionConfig& config,
    const std::optional<kernels::LossScaleState>& saved);
kernels::LossScaleRule loss_scale_rule(const PrecisionConfig& config);

}  // namespace dure::train
