#include "dure/kernels/rms_norm.h"

#include <cmath>
#include <cstring>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/rms_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/row_sums-inl.h"
#include "dure/tensor/element_type.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

template <typename Compute, typename Residual>
void normalize_rows(const RmsNorm& op, std::int64_t first, std::int64_t last) {
  const std::int64_t C = op.x.shape()[1];
  const Compute* const gain = op.gain.data<Compute>();
  const Compute* const bias = op.bias ? op.bias.data<Compute>() : nullptr;
  for (std::int64_t n = first; n < last; ++n) {
    const Residual* const x = op.x.data<Residual>() + n * C;
    Compute* const y = op.y.data<Compute>() + n * C;
    const float mean_square = dot(x, x, C) / static_cast<float>(C);
    const float rstd = 1 / std::sqrt(mean_square + op.eps);
    op.rstd.data<float>()[n] = rstd;
    const Vector scale = broadcast(rstd);
    for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
      const Vector normal = hn::Mul(part.load(x + c), scale);
      const Vector own = part.load(gain + c);
      part.store(bias != nullptr ? hn::MulAdd(normal, own, part.load(bias + c))
                                 : hn::Mul(normal, own),
                 y + c);
    });
  }
}

void rms_norm_rows(const RmsNorm& op, std::int64_t first, std::int64_t last) {
  with_type_or_f32(
      op.y.dtype(), op.x.dtype(), [&](auto compute, auto residual) HWY_ATTR {
        normalize_rows<decltype(compute), decltype(residual)>(op, first, last);
      });
}

// sum_c d_y[c] gain[c] x[c]
template <typename Compute, typename Residual>
HWY_INLINE float projection(const Compute* d_y,
                            const Compute* gain,
                            const Residual* x,
                            std::int64_t C) {
  Vector sum = hn::Zero(Floats());
  for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
    sum = hn::MulAdd(hn::Mul(part.load(d_y + c), part.load(gain + c)),
                     part.load(x + c),
                     sum);
  });
  return sum_of_lanes(sum);
}

// d_x = rstd (h - x rstd^2 mean(h x)), h = d_y gain
template <typename Compute, typename Residual>
void d_x_of_rows(const RmsNormBackward& op, Range rows) {
  const std::int64_t C = op.x.shape()[1];
  const Compute* const gain = op.gain.data<Compute>();
  for (std::int64_t n = rows.first; n < rows.last; ++n) {
    const Residual* const x = op.x.data<Residual>() + n * C;
    const Compute* const d_y = op.d_y.data<Compute>() + n * C;
    const Residual* const residual =
        op.residual ? op.residual.data<Residual>() + n * C : nullptr;
    Residual* const d_x = op.d_x.data<Residual>() + n * C;
    const float rstd = op.rstd.data<float>()[n];
    const float mean =
        projection(d_y, gain, x, C) / static_cast<float>(C) * rstd * rstd;
    const Vector scale = broadcast(rstd);
    const Vector share = broadcast(mean);
    for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
      const Vector h = hn::Mul(part.load(d_y + c), part.load(gain + c));
      const Vector inner = hn::NegMulAdd(part.load(x + c), share, h);
      const Vector around =
          residual != nullptr ? part.load(residual + c) : hn::Zero(Floats());
      part.store(hn::MulAdd(inner, scale, around), d_x + c);
    });
  }
}

void rms_norm_d_x(const RmsNormBackward& op, Range rows) {
  with_type_or_f32(
      op.d_y.dtype(), op.x.dtype(), [&](auto compute, auto residual) HWY_ATTR {
        d_x_of_rows<decltype(compute), decltype(residual)>(op, rows);
      });
}

// Adds row n to the sums of the columns, of which the first is columns.first.
template <typename Compute, typename Residual>
HWY_INLINE void add_row_to_columns(const RmsNormBackward& op,
                                   std::int64_t n,
                                   Range columns,
                                   float* d_gain,
                                   float* d_bias) {
  const std::int64_t at = n * op.x.shape()[1] + columns.first;
  const Residual* const x = op.x.data<Residual>() + at;
  const Compute* const d_y = op.d_y.data<Compute>() + at;
  const Vector scale = broadcast(op.rstd.data<float>()[n]);
  for_each_vector(0, columns.count(), [&](std::int64_t c, auto part) HWY_ATTR {
    const Vector normal = hn::Mul(part.load(x + c), scale);
    const Vector own = part.load(d_y + c);
    part.store(hn::MulAdd(own, normal, part.load(d_gain + c)), d_gain + c);
    if (d_bias != nullptr) {
      part.store(hn::Add(own, part.load(d_bias + c)), d_bias + c);
    }
  });
}

template <typename Compute, typename Residual>
void add_to_columns(const RmsNormBackward& op, Range rows, Range columns) {
  for_each_tile(columns, [&](Range tile) HWY_ATTR {
    const TileSums gain_sums(op.d_gain, tile);
    const TileSums bias_sums(op.d_bias, tile);
    for (std::int64_t n = rows.first; n < rows.last; ++n) {
      add_row_to_columns<Compute, Residual>(
          op, n, tile, gain_sums.data(), bias_sums.data());
    }
    gain_sums.store();
    bias_sums.store();
  });
}

void rms_norm_columns(const RmsNormBackward& op, Range rows, Range columns) {
  with_type_or_f32(
      op.d_y.dtype(), op.x.dtype(), [&](auto compute, auto residual) HWY_ATTR {
        add_to_columns<decltype(compute), decltype(residual)>(
            op, rows, columns);
      });
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(rms_norm_rows);
HWY_EXPORT(rms_norm_d_x);
HWY_EXPORT(rms_norm_columns);

}  // namespace

void run(OnCpu, Stream& stream, const RmsNorm& op) {
  parallel_ranges(stream,
                  op.x.shape()[0],
                  {.elements_per_item = op.x.shape()[1]},
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(rms_norm_rows)(op, first, last);
                  });
}

// Columns come first, because d_x may be d_y.
void run(OnCpu, Stream& stream, const RmsNormBackward& op) {
  if (op.write == Write::kOverwrite) {
    std::memset(op.d_gain.bytes(), 0, op.d_gain.size_bytes());
    if (op.d_bias) {
      std::memset(op.d_bias.bytes(), 0, op.d_bias.size_bytes());
    }
  }
  parallel_columns_then_rows(
      stream,
      op.x.shape()[0],
      op.x.shape()[1],
      op.d_gain.dtype(),
      [&](Range rows, Range columns) {
        HWY_DYNAMIC_DISPATCH(rms_norm_columns)(op, rows, columns);
      },
      [&](Range rows) {
        HWY_DYNAMIC_DISPATCH(rms_norm_d_x)
        (op, rows);
      });
}

}  // namespace dure::kernels
#endif
