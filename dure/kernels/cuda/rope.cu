#include "dure/kernels/cuda/flat.cuh"
#include "dure/kernels/rope.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

struct RopeArguments {
  const std::int32_t* positions;
  std::int64_t N;
  std::int64_t columns;
  std::int64_t head_dim;
  std::int64_t heads;
  double theta;
  double sign;
};

// A thread turns one pair of every head of a row. Angles are in f64: at far
// positions f32 has no digits left of them.
template <typename Element>
__global__ void turn_kernel(Element* qkv, RopeArguments at) {
  const std::int64_t half = at.head_dim / 2;
  const std::int64_t n = flat_index() / half;
  const std::int64_t i = flat_index() % half;
  if (n >= at.N) {
    return;
  }
  const double frequency =
      pow(at.theta,
          -2.0 * static_cast<double>(i) / static_cast<double>(at.head_dim));
  const double angle = at.sign * at.positions[n] * frequency;
  const auto c = static_cast<float>(cos(angle));
  const auto s = static_cast<float>(sin(angle));
  Element* low = qkv + n * at.columns + i;
  for (std::int64_t head = 0; head < at.heads; ++head, low += at.head_dim) {
    const float x = widened(low[0]);
    const float y = widened(low[half]);
    low[0] = rounded<Element>(__fmaf_rn(x, c, -(y * s)));
    low[half] = rounded<Element>(__fmaf_rn(y, c, x * s));
  }
}

}  // namespace

void run(OnCuda, Stream& stream, const Rope& op) {
  const RopeArguments at = {
      .positions = op.positions.data<std::int32_t>(),
      .N = op.qkv.shape()[0],
      .columns = op.qkv.shape()[1],
      .head_dim = op.head_dim,
      .heads = op.rotated_heads,
      .theta = op.theta,
      .sign = op.rotation == Rotation::kForward ? 1.0 : -1.0};
  with_float_type(op.qkv.dtype(), [&](auto element) {
    using Element = decltype(element);
    launch_kernel<turn_kernel<Element>>(
        stream, flat_shape(at.N * at.head_dim / 2), op.qkv.data<Element>(), at);
  });
}

}  // namespace dure::kernels
