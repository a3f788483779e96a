#include "dure/kernels/adamw.h"
#include "dure/kernels/cuda/update.cuh"

namespace dure::kernels {
namespace {

struct AdamWSettings {
  float beta1;
  float beta2;
  float epsilon;
};

// The arithmetic of cpu/adamw.cpp, step by step.
struct AdamWRule {
  using Settings = AdamWSettings;
  static constexpr RuleUse kUse = {.states = 2};

  __device__ AdamWRule(const Settings& at,
                       const float* control,
                       const UpdatePiece& piece)
      : settings(at),
        scale(control[kFactor]),
        rate(control[kDecisions + 1]),
        root(control[kDecisions + 2]),
        keep(1 - control[kDecisions] * piece.weight_decay) {}

  __device__ void operator()(UpdateValues& x) const {
    const float g = x.g * scale;
    x.states[0] =
        __fmaf_rn(settings.beta1, x.states[0], (1 - settings.beta1) * g);
    x.states[1] =
        __fmaf_rn(settings.beta2, x.states[1], (1 - settings.beta2) * (g * g));
    const float divisor = __fmaf_rn(sqrtf(x.states[1]), root, settings.epsilon);
    x.w = __fmaf_rn(keep, x.w, -(rate * x.states[0] / divisor));
  }

  Settings settings;
  float scale;
  float rate;
  float root;
  float keep;
};

}  // namespace

void run(OnCuda, Stream& stream, const AdamW& op) {
  launch_update<AdamWRule>(
      stream,
      op.spans,
      op.control,
      {.beta1 = op.beta1, .beta2 = op.beta2, .epsilon = op.epsilon});
}

}  // namespace dure::kernels
