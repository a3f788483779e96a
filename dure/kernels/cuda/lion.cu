#include "dure/kernels/cuda/update.cuh"
#include "dure/kernels/lion.h"

namespace dure::kernels {
namespace {

struct LionSettings {
  float beta1;
  float beta2;
};

// The arithmetic of cpu/lion.cpp, step by step.
struct LionRule {
  using Settings = LionSettings;
  static constexpr RuleUse kUse = {.states = 1};

  __device__ LionRule(const Settings& at,
                      const float* control,
                      const UpdatePiece& piece)
      : settings(at),
        scale(control[kFactor]),
        rate(control[kDecisions]),
        keep(1 - control[kDecisions] * piece.weight_decay) {}

  __device__ void operator()(UpdateValues& x) const {
    const float g = x.g * scale;
    const float m = x.states[0];
    const float mean = __fmaf_rn(settings.beta1, m, (1 - settings.beta1) * g);
    const float direction = mean == 0 ? 0.0F : copysignf(1.0F, mean);
    x.w = __fmaf_rn(-rate, direction, keep * x.w);
    x.states[0] = __fmaf_rn(settings.beta2, m, (1 - settings.beta2) * g);
  }

  Settings settings;
  float scale;
  float rate;
  float keep;
};

}  // namespace

void run(OnCuda, Stream& stream, const Lion& op) {
  launch_update<LionRule>(
      stream, op.spans, op.control, {.beta1 = op.beta1, .beta2 = op.beta2});
}

}  // namespace dure::kernels
