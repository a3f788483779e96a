#include "dure/kernels/matmul.h"

#include <algorithm>

#include "dure/kernels/cpu/gemm_plan.h"
#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/matmul.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/gemm_pack-inl.h"
#include "dure/kernels/cpu/gemm_tile-inl.h"
#include "dure/kernels/cpu/gemm_workspace.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

constexpr GemmTile kTile{.rows = kTileRows, .columns = kTileColumns};

PackSource rows_of_a(const MatMul& op, const GemmShape& shape) {
  const auto [M, N, K] = shape;
  return op.transpose_a == Transpose::kYes
             ? PackSource{op.a.data<float>(), M, 1, M}
             : PackSource{op.a.data<float>(), M, K, 1};
}

PackSource columns_of_b(const MatMul& op, const GemmShape& shape) {
  const auto [M, N, K] = shape;
  return op.transpose_b == Transpose::kYes
             ? PackSource{op.b.data<float>(), N, K, 1}
             : PackSource{op.b.data<float>(), N, 1, N};
}

// The addend of the product, or of its first block of K.
const float* addend_of(const MatMul& op) {
  if (op.write == Write::kAdd) {
    return op.y.data<float>();
  }
  return op.residual ? op.residual.data<float>() : nullptr;
}

// The work of one phase, by parts.
class PhaseWork {
 public:
  PhaseWork(const MatMul& op, const GemmPlan& plan, std::int64_t phase)
      : op_(op),
        plan_(plan),
        panels_(plan.panels_of(phase)),
        depth_(plan.depth_of(phase)) {}

  void pack_a(std::int64_t part, float* packed_a) const {
    const Range mine = plan_.packed_by(part, panels_);
    pack_panels<kTileRows>(
        rows_of_a(op_, plan_.shape),
        mine,
        depth_,
        packed_a + (mine.first - panels_.first) * kTileRows * depth_.count());
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
    pack_panels<kTileColumns>(
        columns_of_b(op_, plan_.shape), columns, depth_, packed_b);
    multiply_block(rows, columns, packed_a, packed_b);
  }

 private:
  void multiply_block(Range rows,
                      Range columns,
                      const float* packed_a,
                      const float* packed_b) const {
    const auto [M, N, K] = plan_.shape;
    for (std::int64_t i = rows.first; i < rows.last; ++i) {
      const std::int64_t m = i * kTileRows;
      Tile tile{
          .y_step = N,
          .addend_step = N,
          .a = packed_a + (i - panels_.first) * kTileRows * depth_.count(),
          .depth = depth_.count()};
      for (std::int64_t j = columns.first; j < columns.last; ++j) {
        const std::int64_t n = j * kTileColumns;
        place(tile, m, n);
        tile.b = packed_b + (j - columns.first) * kTileColumns * depth_.count();
        multiply_tile(tile,
                      std::min<std::int64_t>(kTileRows, M - m),
                      std::min<std::int64_t>(kTileColumns, N - n));
      }
    }
  }

  // A single panel of rows uses the packed part of b once, so it need not leave
  // the first-level cache.
  void multiply_few_rows(Range columns,
                         const float* packed_a,
                         float* packed_b) const {
    constexpr std::int64_t kChunk = 64;
    const auto [M, N, K] = plan_.shape;
    const PackSource b = columns_of_b(op_, plan_.shape);
    HWY_ALIGN float sums[kTileRows * kTileColumns];
    for (std::int64_t j = columns.first; j < columns.last; ++j) {
      const std::int64_t n = j * kTileColumns;
      Tile whole{.y_step = N, .addend_step = N};
      place(whole, 0, n);
      for (Range k = depth_; k.first < depth_.last; k.first = k.last) {
        k.last = std::min(k.first + kChunk, depth_.last);
        pack_panels<kTileColumns>(b, {j, j + 1}, k, packed_b);
        const bool last = k.last == depth_.last;
        Tile tile = last ? whole : Tile{.y = sums, .y_step = kTileColumns};
        tile.start = k.first == depth_.first ? nullptr : sums;
        tile.a = packed_a + (k.first - depth_.first) * kTileRows;
        tile.b = packed_b;
        tile.depth = k.count();
        multiply_tile(
            tile,
            M,
            last ? std::min<std::int64_t>(kTileColumns, N - n) : kTileColumns);
      }
    }
  }

  // The first block of K adds bias and residual, the others add to y. So the
  // residual may be y.
  void place(Tile& tile, std::int64_t m, std::int64_t n) const {
    const std::int64_t at = m * plan_.shape.N + n;
    const bool first = depth_.first == 0;
    const float* const addend = first ? addend_of(op_) : op_.y.data<float>();
    tile.y = op_.y.data<float>() + at;
    tile.addend = addend != nullptr ? addend + at : nullptr;
    tile.bias = first && op_.bias ? op_.bias.data<float>() + n : nullptr;
  }

  const MatMul& op_;
  const GemmPlan& plan_;
  Range panels_;
  Range depth_;
};

// Threads meet once a phase: a thread that has multiplied a part packs as much
// for the next phase.
void multiply_in_team(const MatMul& op,
                      const GemmPlan& plan,
                      float* workspace,
                      Team& team) {
  float* const packed_b = workspace + 2 * plan.a_elements();
  const auto packed_a = [&](std::int64_t phase) {
    return workspace + phase % 2 * plan.a_elements();
  };
  team.run(plan.parts(), [&](std::int64_t part, int) {
    PhaseWork(op, plan, 0).pack_a(part, packed_a(0));
  });
  for (std::int64_t phase = 0; phase < plan.phases(); ++phase) {
    team.run(plan.parts(), [&](std::int64_t part, int member) {
      PhaseWork(op, plan, phase)
          .multiply(
              part, packed_a(phase), packed_b + member * plan.b_elements());
      if (phase + 1 < plan.phases()) {
        PhaseWork(op, plan, phase + 1).pack_a(part, packed_a(phase + 1));
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

// If K is 0, y is the sum of its addends.
void write_addends(const MatMul& op) {
  const auto [M, N] = op.y.dims<2>("y");
  if (op.write == Write::kAdd) {
    return;
  }
  for (std::int64_t i = 0; i < M * N; ++i) {
    op.y.data<float>()[i] = (op.bias ? op.bias.data<float>()[i % N] : 0.0F) +
                            (op.residual ? op.residual.data<float>()[i] : 0.0F);
  }
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
  float* const workspace =
      stream.kept<GemmWorkspace>().at_least(plan.workspace_elements());
  HWY_DYNAMIC_DISPATCH(multiply_in_team)(op, plan, workspace, stream.team());
}

}  // namespace dure::kernels
#endif
