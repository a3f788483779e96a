#include "dure/nn/scale_norm.h"

#include <cmath>

#include "dure/kernels/scale_norm.h"

namespace dure::nn {
namespace {

using kernels::launch;

void forward(Context& ctx, const NormForward& op) {
  launch(ctx.stream,
         kernels::ScaleNorm{.y = op.y,
                            .inverse = op.statistics[0],
                            .x = op.x,
                            .gain = op.gain,
                            .eps = op.epsilon});
}

void backward(Context& ctx, const NormBackward& op) {
  const OwnedTensor row_sums = ctx.workspace({op.x.shape()[0]}, DType::kF32);
  launch(ctx.stream,
         kernels::ScaleNormBackward{.d_x = op.d_x,
                                    .d_gain = op.d_gain,
                                    .row_sums = row_sums,
                                    .d_y = op.d_y,
                                    .x = op.x,
                                    .gain = op.gain,
                                    .inverse = op.statistics[0],
                                    .residual = op.residual,
                                    .eps = op.epsilon,
                                    .write = op.write});
}

}  // namespace

constinit const NormRow kScaleNorm = {
    .name = "scalenorm",
    .has_bias = false,
    .takes_bias = false,
    .statistics = 1,
    .gains = [](std::int64_t /*columns*/) { return std::int64_t{1}; },
    .first_gain =
        [](std::int64_t columns) {
          return std::sqrt(static_cast<double>(columns));
        },
    .forward = forward,
    .backward = backward};

}  // namespace dure::nn
