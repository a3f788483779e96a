#include "dure/kernels/layer_norm.h"

#include <algorithm>
#include <cmath>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/layer_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

HWY_INLINE float mean_of_row(const float* x, std::int64_t C) {
  Vector sum = hn::Zero(Floats());
  for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
    sum = hn::Add(sum, part.load(x + c));
  });
  return sum_of_lanes(sum) / static_cast<float>(C);
}

HWY_INLINE float variance_of_row(const float* x, std::int64_t C, float mean) {
  const Vector center = broadcast(mean);
  Vector sum = hn::Zero(Floats());
  for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
    const Vector centred = part.only(hn::Sub(part.load(x + c), center));
    sum = hn::MulAdd(centred, centred, sum);
  });
  return sum_of_lanes(sum) / static_cast<float>(C);
}

void layer_norm_rows(const LayerNorm& op,
                     std::int64_t first,
                     std::int64_t last) {
  const std::int64_t C = op.x.shape()[1];
  const float* const gain = op.gain.data<float>();
  const float* const bias = op.bias.data<float>();
  for (std::int64_t n = first; n < last; ++n) {
    const float* const x = op.x.data<float>() + n * C;
    float* const y = op.y.data<float>() + n * C;
    const float mean = mean_of_row(x, C);
    const float rstd = 1 / std::sqrt(variance_of_row(x, C, mean) + op.eps);
    op.mean.data<float>()[n] = mean;
    op.rstd.data<float>()[n] = rstd;
    const Vector center = broadcast(mean);
    const Vector scale = broadcast(rstd);
    for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
      const Vector normal = hn::Mul(hn::Sub(part.load(x + c), center), scale);
      part.store(hn::MulAdd(normal, part.load(gain + c), part.load(bias + c)),
                 y + c);
    });
  }
}

// mean_c(h) and mean_c(h * x') of a row.
struct RowMeans {
  float h;
  float h_x;
};

struct BackwardRow {
  const float* d_y;
  const float* x;
  Vector mean;
  Vector rstd;

  template <typename Part>
  HWY_INLINE Vector normal(std::int64_t c, Part part) const {
    return hn::Mul(hn::Sub(part.load(x + c), mean), rstd);
  }
};

HWY_INLINE RowMeans row_means(const BackwardRow& row,
                              const float* gain,
                              std::int64_t C) {
  Vector sum_h = hn::Zero(Floats());
  Vector sum_h_x = hn::Zero(Floats());
  for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
    const Vector h = hn::Mul(part.load(row.d_y + c), part.load(gain + c));
    sum_h = hn::Add(sum_h, h);
    sum_h_x = hn::MulAdd(h, row.normal(c, part), sum_h_x);
  });
  const float scale = 1 / static_cast<float>(C);
  return {sum_of_lanes(sum_h) * scale, sum_of_lanes(sum_h_x) * scale};
}

HWY_INLINE BackwardRow row_of(const LayerNormBackward& op, std::int64_t n) {
  const std::int64_t C = op.x.shape()[1];
  return {op.d_y.data<float>() + n * C,
          op.x.data<float>() + n * C,
          broadcast(op.mean.data<float>()[n]),
          broadcast(op.rstd.data<float>()[n])};
}

void layer_norm_d_x(const LayerNormBackward& op, Range rows) {
  const std::int64_t C = op.x.shape()[1];
  const float* const gain = op.gain.data<float>();
  for (std::int64_t n = rows.first; n < rows.last; ++n) {
    const BackwardRow row = row_of(op, n);
    const RowMeans means = row_means(row, gain, C);
    const Vector mean_h = broadcast(means.h);
    const Vector mean_h_x = broadcast(means.h_x);
    float* const d_x = op.d_x.data<float>() + n * C;
    const float* const residual =
        op.residual ? op.residual.data<float>() + n * C : nullptr;
    for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
      const Vector h = hn::Mul(part.load(row.d_y + c), part.load(gain + c));
      const Vector inner =
          hn::NegMulAdd(row.normal(c, part), mean_h_x, hn::Sub(h, mean_h));
      const Vector around =
          residual != nullptr ? part.load(residual + c) : hn::Zero(Floats());
      part.store(hn::MulAdd(inner, row.rstd, around), d_x + c);
    });
  }
}

// Adds row n to the sums of the columns.
HWY_INLINE void add_row_to_columns(const LayerNormBackward& op,
                                   std::int64_t n,
                                   Range columns) {
  const BackwardRow row = row_of(op, n);
  float* const d_gain = op.d_gain.data<float>();
  float* const d_bias = op.d_bias.data<float>();
  for_each_vector(
      columns.first, columns.last, [&](std::int64_t c, auto part) HWY_ATTR {
        const Vector d_y = part.load(row.d_y + c);
        part.store(hn::MulAdd(d_y, row.normal(c, part), part.load(d_gain + c)),
                   d_gain + c);
        part.store(hn::Add(d_y, part.load(d_bias + c)), d_bias + c);
      });
}

void layer_norm_columns(const LayerNormBackward& op,
                        Range rows,
                        Range columns) {
  for (std::int64_t n = rows.first; n < rows.last; ++n) {
    add_row_to_columns(op, n, columns);
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(layer_norm_rows);
HWY_EXPORT(layer_norm_d_x);
HWY_EXPORT(layer_norm_columns);

}  // namespace

void run(OnCpu, Stream& stream, const LayerNorm& op) {
  const auto [N, C] = op.x.dims<2>("x");
  parallel_ranges(stream,
                  N,
                  {.elements_per_item = C},
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(layer_norm_rows)(op, first, last);
                  });
}

// Columns first: d_x may be d_y.
void run(OnCpu, Stream& stream, const LayerNormBackward& op) {
  if (op.write == Write::kOverwrite) {
    std::fill_n(op.d_gain.data<float>(), op.d_gain.elements(), 0.0F);
    std::fill_n(op.d_bias.data<float>(), op.d_bias.elements(), 0.0F);
  }
  parallel_columns_then_rows(
      stream,
      op.x.shape()[0],
      op.x.shape()[1],
      [&](Range rows, Range columns) {
        HWY_DYNAMIC_DISPATCH(layer_norm_columns)(op, rows, columns);
      },
      [&](Range rows) {
        HWY_DYNAMIC_DISPATCH(layer_norm_d_x)
        (op, rows);
      });
}

}  // namespace dure::kernels
#endif
