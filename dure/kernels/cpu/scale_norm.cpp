#include "dure/kernels/scale_norm.h"

#include <algorithm>
#include <cmath>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/scale_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/range.h"
#include "dure/kernels/cpu/vector_loop-inl.h"
#include "dure/tensor/element_type.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

template <typename Compute, typename Residual>
void scale_rows(const ScaleNorm& op, Range rows) {
  const std::int64_t C = op.x.shape()[1];
  const auto gain = to_float(op.gain.data<Compute>()[0]);
  for (std::int64_t n = rows.first; n < rows.last; ++n) {
    const Residual* const x = op.x.data<Residual>() + n * C;
    Compute* const y = op.y.data<Compute>() + n * C;
    const float inverse = 1 / std::max(std::sqrt(dot(x, x, C)), op.eps);
    op.inverse.data<float>()[n] = inverse;
    const Vector scale = broadcast(inverse * gain);
    for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
      part.store(hn::Mul(part.load(x + c), scale), y + c);
    });
  }
}

void scale_norm_rows(const ScaleNorm& op, Range rows) {
  with_type_or_f32(
      op.y.dtype(), op.x.dtype(), [&](auto compute, auto residual) HWY_ATTR {
        scale_rows<decltype(compute), decltype(residual)>(op, rows);
      });
}

template <typename Compute, typename Residual>
void d_x_of_rows(const ScaleNormBackward& op, Range rows) {
  const std::int64_t C = op.x.shape()[1];
  const auto gain = to_float(op.gain.data<Compute>()[0]);
  for (std::int64_t n = rows.first; n < rows.last; ++n) {
    const Residual* const x = op.x.data<Residual>() + n * C;
    const Compute* const d_y = op.d_y.data<Compute>() + n * C;
    const Residual* const residual =
        op.residual ? op.residual.data<Residual>() + n * C : nullptr;
    Residual* const d_x = op.d_x.data<Residual>() + n * C;
    const float inverse = op.inverse.data<float>()[n];
    const float sum = dot(d_y, x, C) * inverse;
    op.row_sums.data<float>()[n] = sum;
    const Vector scale = broadcast(gain * inverse);
    const Vector share = broadcast(inverse < 1 / op.eps ? sum * inverse : 0);
    for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
      const Vector inner =
          hn::NegMulAdd(part.load(x + c), share, part.load(d_y + c));
      const Vector around =
          residual != nullptr ? part.load(residual + c) : hn::Zero(Floats());
      part.store(hn::MulAdd(inner, scale, around), d_x + c);
    });
  }
}

void scale_norm_d_x(const ScaleNormBackward& op, Range rows) {
  with_type_or_f32(
      op.d_y.dtype(), op.x.dtype(), [&](auto compute, auto residual) HWY_ATTR {
        d_x_of_rows<decltype(compute), decltype(residual)>(op, rows);
      });
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(scale_norm_rows);
HWY_EXPORT(scale_norm_d_x);

void add_to_gain(const ScaleNormBackward& op) {
  double sum = 0;
  for (std::int64_t n = 0; n < op.row_sums.elements(); ++n) {
    sum += op.row_sums.data<float>()[n];
  }
  with_float_type(op.d_gain.dtype(), [&](auto element) {
    using Element = decltype(element);
    auto* const d_gain = op.d_gain.data<Element>();
    const double before = op.write == Write::kAdd ? to_float(d_gain[0]) : 0;
    d_gain[0] = from_float<Element>(static_cast<float>(before + sum));
  });
}

}  // namespace

void run(OnCpu, Stream& stream, const ScaleNorm& op) {
  const auto [N, C] = op.x.dims<2>("x");
  parallel_ranges(stream,
                  N,
                  {.elements_per_item = C},
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(scale_norm_rows)(op, {first, last});
                  });
}

void run(OnCpu, Stream& stream, const ScaleNormBackward& op) {
  const auto [N, C] = op.x.dims<2>("x");
  parallel_ranges(stream,
                  N,
                  {.elements_per_item = C},
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(scale_norm_d_x)(op, {first, last});
                  });
  add_to_gain(op);
}

}  // namespace dure::kernels
#endif
