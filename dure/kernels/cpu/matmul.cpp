#include "dure/kernels/matmul.h"

#include <algorithm>

#include "dure/kernels/cpu/gemm_plan.h"
#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/matmul.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/gemm_epilogue-inl.h"
#include "dure/kernels/cpu/gemm_pack-inl.h"
#include "dure/kernels/cpu/gemm_row-inl.h"
#include "dure/kernels/cpu/gemm_workspace.h"
#include "dure/tensor/element_type.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

constexpr GemmTile kTile{.rows = kTileRows, .columns = kTileColumns};

template <typename Element>
PackSource<Element> rows_of_a(const MatMul& op, const GemmShape& shape) {
  const auto [M, N, K] = shape;
  const auto* const a = op.a.data<Element>();
  return op.transpose_a == Transpose::kYes ? PackSource<Element>{a, M, 1, M}
                                           : PackSource<Element>{a, M, K, 1};
}

template <typename Element>
PackSource<Element> columns_of_b(const MatMul& op, const GemmShape& shape) {
  const auto [M, N, K] = shape;
  const auto* const b = op.b.data<Element>();
  return op.transpose_b == Transpose::kYes ? PackSource<Element>{b, N, K, 1}
                                           : PackSource<Element>{b, N, 1, N};
}

// The work of one phase, by parts. Between blocks of K `sums` holds its rows of
// a y that cannot hold sums in f32.
class PhaseWork {
 public:
  PhaseWork(const MatMul& op,
            const GemmPlan& plan,
            std::int64_t phase,
            float* sums)
      : op_(op),
        plan_(plan),
        panels_(plan.panels_of(phase)),
        depth_(plan.depth_of(phase)),
        epilogue_(epilogue(sums)) {}

  void pack_a(std::int64_t part, float* packed_a) const {
    const Range mine = plan_.packed_by(part, panels_);
    float* const to =
        packed_a + (mine.first - panels_.first) * kTileRows * depth_.count();
    with_float_type(op_.a.dtype(), [&](auto element) HWY_ATTR {
      pack_panels<kTileRows>(
          rows_of_a<decltype(element)>(op_, plan_.shape), mine, depth_, to);
    });
  }

  void multiply(std::int64_t part,
                const float* packed_a,
                float* packed_b) const {
    const Range rows = plan_.rows_of(part, panels_);
    const Range columns = plan_.columns_of(part);
    if (rows.count() == 0) {
      return;
    }
    if (plan_.row_panels == 1) {
      return multiply_few_rows(columns, packed_a, packed_b);
    }
    pack_b(columns, depth_, packed_b);
    multiply_block(rows, columns, packed_a, packed_b);
  }

 private:
  void pack_b(Range columns, Range depth, float* packed_b) const {
    with_float_type(op_.b.dtype(), [&](auto element) HWY_ATTR {
      pack_panels<kTileColumns>(
          columns_of_b<decltype(element)>(op_, plan_.shape),
          columns,
          depth,
          packed_b);
    });
  }

  void multiply_block(Range rows,
                      Range columns,
                      const float* packed_a,
                      const float* packed_b) const {
    for (std::int64_t i = rows.first; i < rows.last; ++i) {
      const std::int64_t m = (i - panels_.first) * kTileRows;
      Tile tile{.a = packed_a + m * depth_.count(), .depth = depth_.count()};
      for (std::int64_t j = columns.first; j < columns.last; ++j) {
        tile.b = packed_b + (j - columns.first) * kTileColumns * depth_.count();
        multiply_tile(epilogue_, tile_at(epilogue_, m, j * kTileColumns), tile);
      }
    }
  }

  // A single panel of rows uses each element of b once.
  void multiply_few_rows(Range columns,
                         const float* packed_a,
                         float* packed_b) const {
    for (std::int64_t j = columns.first; j < columns.last; ++j) {
      const TilePlace place = tile_at(epilogue_, 0, j * kTileColumns);
      if (plan_.shape.M == 1 && op_.transpose_b == Transpose::kYes &&
          place.columns == kTileColumns) {
        multiply_single_row(place, packed_a);
      } else {
        multiply_in_chunks(place, packed_a, packed_b);
      }
    }
  }

  void multiply_single_row(const TilePlace& place,
                           const float* packed_a) const {
    HWY_ALIGN float sums[kTileColumns];
    with_float_type(op_.b.dtype(), [&](auto element) HWY_ATTR {
      multiply_row(packed_a,
                   columns_of_b<decltype(element)>(op_, plan_.shape),
                   place.column,
                   depth_,
                   sums);
    });
    finish_sums(epilogue_, place, sums);
  }

  // The packed part of b need not leave the first-level cache.
  void multiply_in_chunks(const TilePlace& place,
                          const float* packed_a,
                          float* packed_b) const {
    constexpr std::int64_t kChunk = 64;
    HWY_ALIGN float sums[kTileRows * kTileColumns];
    const std::int64_t panel = place.column / kTileColumns;
    for (Range k = depth_; k.first < depth_.last; k.first = k.last) {
      k.last = std::min(k.first + kChunk, depth_.last);
      pack_b({panel, panel + 1}, k, packed_b);
      Tile tile{.y = sums,
                .y_step = kTileColumns,
                .start = k.first == depth_.first ? nullptr : sums,
                .a = packed_a + (k.first - depth_.first) * kTileRows,
                .b = packed_b,
                .depth = k.count()};
      if (k.last < depth_.last) {
        multiply_whole(tile, place.rows);
      } else {
        multiply_tile(epilogue_, place, tile);
      }
    }
  }

  // The first block of K adds bias and residual, the others add to what the one
  // before them wrote. So the residual may be y. Only the last writes a y of 16
  // bits.
  Epilogue epilogue(float* sums) const {
    const auto [M, N, K] = plan_.shape;
    const std::int64_t first = panels_.first * kTileRows;
    const std::int64_t count = std::min(panels_.last * kTileRows, M) - first;
    const Tensor y = op_.y.rows(first, count);
    const Tensor between =
        is_half(y.dtype()) ? Tensor(sums, {count, N}) : Tensor(y);
    Epilogue epilogue{.y = depth_.last == K ? y : between};
    if (depth_.first > 0) {
      epilogue.addend = between;
      return epilogue;
    }
    epilogue.bias = op_.bias;
    if (op_.write == Write::kAdd) {
      epilogue.addend = y;
    } else if (op_.residual) {
      epilogue.addend = op_.residual.rows(first, count);
    }
    return epilogue;
  }

  const MatMul& op_;
  const GemmPlan& plan_;
  Range panels_;
  Range depth_;
  Epilogue epilogue_;
};

// Threads meet once a phase: a thread that has multiplied a part packs as much
// for the next phase.
void multiply_in_team(const MatMul& op,
                      const GemmPlan& plan,
                      float* workspace,
                      Team& team) {
  float* const packed_b = workspace + 2 * plan.a_elements();
  float* const sums = packed_b + plan.threads * plan.b_elements();
  const auto packed_a = [&](std::int64_t phase) {
    return workspace + phase % 2 * plan.a_elements();
  };
  team.run(plan.parts(), [&](std::int64_t part, int) {
    PhaseWork(op, plan, 0, sums).pack_a(part, packed_a(0));
  });
  for (std::int64_t phase = 0; phase < plan.phases(); ++phase) {
    team.run(plan.parts(), [&](std::int64_t part, int member) {
      PhaseWork(op, plan, phase, sums)
          .multiply(
              part, packed_a(phase), packed_b + member * plan.b_elements());
      if (phase + 1 < plan.phases()) {
        PhaseWork(op, plan, phase + 1, sums).pack_a(part, packed_a(phase + 1));
      }
    });
  }
}

GemmTile gemm_tile() {
  return kTile;
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(multiply_in_team);
HWY_EXPORT(gemm_tile);

namespace {

// An element of an optional operand, or 0 without it.
float element_of(const ConstTensor& x, std::int64_t i) {
  return with_float_type(x.dtype(), [&](auto element) {
    return x ? to_float(x.data<decltype(element)>()[i]) : 0.0F;
  });
}

// If K is 0, y is the sum of its addends.
void write_addends(const MatMul& op) {
  const auto [M, N] = op.y.dims<2>("y");
  if (op.write == Write::kAdd) {
    return;
  }
  with_float_type(op.y.dtype(), [&, M = M, N = N](auto element) {
    using Element = decltype(element);
    for (std::int64_t i = 0; i < M * N; ++i) {
      op.y.data<Element>()[i] = from_float<Element>(element_of(op.bias, i % N) +
                                                    element_of(op.residual, i));
    }
  });
}

GemmShape shape_of(const MatMul& op) {
  const auto [M, N] = op.y.dims<2>("y");
  const int depth = op.transpose_a == Transpose::kYes ? 0 : 1;
  return {M, N, op.a.shape()[depth]};
}

}  // namespace

void run(OnCpu, Stream& stream, const MatMul& op) {
  const GemmShape shape = shape_of(op);
  if (shape.M == 0 || shape.N == 0) {
    return;
  }
  if (shape.K == 0) {
    return write_addends(op);
  }
  const GemmPlan plan = plan_gemm(
      shape, HWY_DYNAMIC_DISPATCH(gemm_tile)(), stream.team().members());
  const std::int64_t elements =
      plan.workspace_elements() +
      (is_half(op.y.dtype()) ? plan.sum_elements() : 0);
  float* const workspace = stream.kept<GemmWorkspace>().at_least(elements);
  HWY_DYNAMIC_DISPATCH(multiply_in_team)(op, plan, workspace, stream.team());
}

}  // namespace dure::kernels
#endif
