#include "dure/kernels/cuda/update.cuh"
#include "dure/kernels/sgd.h"

namespace dure::kernels {
namespace {

struct SgdSettings {
  float momentum;
};

// The arithmetic of cpu/sgd.cpp, step by step, with a state for the momentum or
// without.
template <int kStates>
struct SgdRule {
  using Settings = SgdSettings;
  static constexpr RuleUse kUse = {.states = kStates};

  __device__ SgdRule(const Settings& at,
                     const float* control,
                     const UpdatePiece& piece)
      : momentum(at.momentum),
        scale(control[kFactor]),
        rate(control[kDecisions]),
        keep(1 - control[kDecisions] * piece.weight_decay) {}

  __device__ void operator()(UpdateValues& x) const {
    float step = x.g * scale;
    if (kStates > 0) {
      step = __fmaf_rn(momentum, x.states[0], step);
      x.states[0] = step;
    }
    x.w = __fmaf_rn(-rate, step, keep * x.w);
  }

  float momentum;
  float scale;
  float rate;
  float keep;
};

}  // namespace

void run(OnCuda, Stream& stream, const Sgd& op) {
  if (op.momentum != 0) {
    launch_update<SgdRule<1>>(
        stream, op.spans, op.control, {.momentum = op.momentum});
  } else {
    launch_update<SgdRule<0>>(stream, op.spans, op.control, {});
  }
}

}  // namespace dure::kernels
