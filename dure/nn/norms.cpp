#include "dure/nn/norms.h"

#include "dure/kernels/layer_norm.h"
#include "dure/kernels/rms_norm.h"
#include "dure/nn/scale_norm.h"

namespace dure::nn {
namespace {

using kernels::launch;

constexpr const NormRow* kNorms[] = {&kLayerNorm, &kRmsNorm, &kScaleNorm};

void layer_norm(Context& ctx, const NormForward& op) {
  launch(ctx.stream,
         kernels::LayerNorm{.y = op.y,
                            .mean = op.statistics[1],
                            .rstd = op.statistics[0],
                            .x = op.x,
                            .gain = op.gain,
                            .bias = op.bias,
                            .eps = op.epsilon});
}

void layer_norm_backward(Context& ctx, const NormBackward& op) {
  launch(ctx.stream,
         kernels::LayerNormBackward{.d_x = op.d_x,
                                    .d_gain = op.d_gain,
                                    .d_bias = op.d_bias,
                                    .d_y = op.d_y,
                                    .x = op.x,
                                    .gain = op.gain,
                                    .mean = op.statistics[1],
                                    .rstd = op.statistics[0],
                                    .residual = op.residual,
                                    .write = op.write});
}

void rms_norm(Context& ctx, const NormForward& op) {
  launch(ctx.stream,
         kernels::RmsNorm{.y = op.y,
                          .rstd = op.statistics[0],
                          .x = op.x,
                          .gain = op.gain,
                          .bias = op.bias,
                          .eps = op.epsilon});
}

void rms_norm_backward(Context& ctx, const NormBackward& op) {
  launch(ctx.stream,
         kernels::RmsNormBackward{.d_x = op.d_x,
                                  .d_gain = op.d_gain,
                                  .d_bias = op.d_bias,
                                  .d_y = op.d_y,
                                  .x = op.x,
                                  .gain = op.gain,
                                  .rstd = op.statistics[0],
                                  .residual = op.residual,
                                  .write = op.write});
}

}  // namespace

std::int64_t gain_per_column(std::int64_t columns) {
  return columns;
}

double gain_of_one(std::int64_t /*columns*/) {
  return 1;
}

constinit const NormRow kLayerNorm = {.name = "layernorm",
                                      .has_bias = true,
                                      .takes_bias = true,
                                      .statistics = 2,
                                      .gains = gain_per_column,
                                      .first_gain = gain_of_one,
                                      .forward = layer_norm,
                                      .backward = layer_norm_backward};

constinit const NormRow kRmsNorm = {.name = "rmsnorm",
                                    .has_bias = false,
                                    .takes_bias = true,
                                    .statistics = 1,
                                    .gains = gain_per_column,
                                    .first_gain = gain_of_one,
                                    .forward = rms_norm,
                                    .backward = rms_norm_backward};

std::span<const NormRow* const> norms() {
  return kNorms;
}

}  // namespace dure::nn
