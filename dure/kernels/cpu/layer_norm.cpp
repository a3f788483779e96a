#include "dure/kernels/layer_norm.h"

#include <cmath>
#include <cstring>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/layer_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/row_sums-inl.h"
#include "dure/tensor/element_type.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

template <typename Element>
HWY_INLINE float mean_of_row(const Element* x, std::int64_t C) {
  Vector sum = hn::Zero(Floats());
  for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
    sum = hn::Add(sum, part.load(x + c));
  });
  return sum_of_lanes(sum) / static_cast<float>(C);
}

template <typename Element>
HWY_INLINE float variance_of_row(const Element* x, std::int64_t C, float mean) {
  const Vector center = broadcast(mean);
  Vector sum = hn::Zero(Floats());
  for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
    const Vector centred = part.only(hn::Sub(part.load(x + c), center));
    sum = hn::MulAdd(centred, centred, sum);
  });
  return sum_of_lanes(sum) / static_cast<float>(C);
}

template <typename Compute, typename Residual>
void normalize_rows(const LayerNorm& op,
                    std::int64_t first,
                    std::int64_t last) {
  const std::int64_t C = op.x.shape()[1];
  const Compute* const gain = op.gain.data<Compute>();
  const Compute* const bias = op.bias ? op.bias.data<Compute>() : nullptr;
  for (std::int64_t n = first; n < last; ++n) {
    const Residual* const x = op.x.data<Residual>() + n * C;
    Compute* const y = op.y.data<Compute>() + n * C;
    const float mean = mean_of_row(x, C);
    const float rstd = 1 / std::sqrt(variance_of_row(x, C, mean) + op.eps);
    op.mean.data<float>()[n] = mean;
    op.rstd.data<float>()[n] = rstd;
    const Vector center = broadcast(mean);
    const Vector scale = broadcast(rstd);
    for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
      const Vector normal = hn::Mul(hn::Sub(part.load(x + c), center), scale);
      const Vector shift =
          bias != nullptr ? part.load(bias + c) : hn::Zero(Floats());
      part.store(hn::MulAdd(normal, part.load(gain + c), shift), y + c);
    });
  }
}

void layer_norm_rows(const LayerNorm& op,
                     std::int64_t first,
                     std::int64_t last) {
  with_type_or_f32(
      op.y.dtype(), op.x.dtype(), [&](auto compute, auto residual) HWY_ATTR {
        normalize_rows<decltype(compute), decltype(residual)>(op, first, last);
      });
}

// mean_c(h) and mean_c(h * x') of a row.
struct RowMeans {
  float h;
  float h_x;
};

template <typename Compute, typename Residual>
struct BackwardRow {
  const Compute* d_y;
  const Residual* x;
  Vector mean;
  Vector rstd;

  template <typename Part>
  HWY_INLINE Vector normal(std::int64_t c, Part part) const {
    return hn::Mul(hn::Sub(part.load(x + c), mean), rstd);
  }
};

template <typename Compute, typename Residual>
HWY_INLINE RowMeans row_means(const BackwardRow<Compute, Residual>& row,
                              const Compute* gain,
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

// Row n, from a column on.
template <typename Compute, typename Residual>
HWY_INLINE BackwardRow<Compute, Residual> row_of(const LayerNormBackward& op,
                                                 std::int64_t n,
                                                 std::int64_t first_column) {
  const std::int64_t at = n * op.x.shape()[1] + first_column;
  return {op.d_y.data<Compute>() + at,
          op.x.data<Residual>() + at,
          broadcast(op.mean.data<float>()[n]),
          broadcast(op.rstd.data<float>()[n])};
}

template <typename Compute, typename Residual>
void d_x_of_rows(const LayerNormBackward& op, Range rows) {
  const std::int64_t C = op.x.shape()[1];
  const Compute* const gain = op.gain.data<Compute>();
  for (std::int64_t n = rows.first; n < rows.last; ++n) {
    const BackwardRow row = row_of<Compute, Residual>(op, n, 0);
    const RowMeans means = row_means(row, gain, C);
    const Vector mean_h = broadcast(means.h);
    const Vector mean_h_x = broadcast(means.h_x);
    Residual* const d_x = op.d_x.data<Residual>() + n * C;
    const Residual* const residual =
        op.residual ? op.residual.data<Residual>() + n * C : nullptr;
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

void layer_norm_d_x(const LayerNormBackward& op, Range rows) {
  with_type_or_f32(
      op.d_y.dtype(), op.x.dtype(), [&](auto compute, auto residual) HWY_ATTR {
        d_x_of_rows<decltype(compute), decltype(residual)>(op, rows);
      });
}

// Adds row n to the sums of the columns, of which the first is columns.first.
template <typename Compute, typename Residual>
HWY_INLINE void add_row_to_columns(const LayerNormBackward& op,
                                   std::int64_t n,
                                   Range columns,
                                   float* d_gain,
                                   float* d_bias) {
  const BackwardRow row = row_of<Compute, Residual>(op, n, columns.first);
  for_each_vector(0, columns.count(), [&](std::int64_t c, auto part) HWY_ATTR {
    const Vector d_y = part.load(row.d_y + c);
    part.store(hn::MulAdd(d_y, row.normal(c, part), part.load(d_gain + c)),
               d_gain + c);
    if (d_bias != nullptr) {
      part.store(hn::Add(d_y, part.load(d_bias + c)), d_bias + c);
    }
  });
}

template <typename Compute, typename Residual>
void add_to_columns(const LayerNormBackward& op, Range rows, Range columns) {
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

void layer_norm_columns(const LayerNormBackward& op,
                        Range rows,
                        Range columns) {
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

// Columns come first, because d_x may be d_y.
void run(OnCpu, Stream& stream, const LayerNormBackward& op) {
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
        HWY_DYNAMIC_DISPATCH(layer_norm_columns)(op, rows, columns);
      },
      [&](Range rows) {
        HWY_DYNAMIC_DISPATCH(layer_norm_d_x)
        (op, rows);
      });
}

}  // namespace dure::kernels
#endif
