#include "dure/kernels/cpu/gemm_plan.h"

#include <algorithm>

namespace dure::kernels {
namespace {

// Waking the other threads takes some 5 us, which is 300 thousand
// multiply-adds, or as many bytes of a matrix that is read once.
constexpr std::int64_t kLeastWork = 300'000;

std::int64_t divided_up(std::int64_t count, std::int64_t by) {
  return (count + by - 1) / by;
}

std::int64_t largest_part(std::int64_t count, std::int64_t parts) {
  return divided_up(count, parts);
}

// Takes the grid of threads whose busiest one has the fewest tiles; among equal
// ones that with most threads along the columns, because op(b) is packed once
// for each part along the rows. A thread's columns are then cut to blocks of
// op(b) that fit its L2, and other threads may take those that it has not
// begun.
void set_parts(GemmPlan& plan, int threads) {
  const std::int64_t panels = largest_part(plan.row_panels, plan.row_blocks);
  std::int64_t fewest = 0;
  plan.threads = threads;
  for (int rows = 1; rows <= threads; ++rows) {
    if (threads % rows != 0) {
      continue;
    }
    const int columns = threads / rows;
    const std::int64_t tiles =
        largest_part(panels, rows) * largest_part(plan.column_panels, columns);
    if (rows == 1 || tiles < fewest) {
      fewest = tiles;
      plan.row_parts = rows;
      plan.column_parts = columns;
    }
  }
  const std::int64_t panel_bytes =
      largest_part(plan.shape.K, plan.depth_blocks) * plan.tile.columns *
      static_cast<std::int64_t>(sizeof(float));
  const std::int64_t block_panels =
      std::max<std::int64_t>(1, GemmPlan::kBlockBytes / panel_bytes);
  plan.column_parts *= divided_up(
      largest_part(plan.column_panels, plan.column_parts), block_panels);
}

bool is_worth_threads(const GemmShape& shape) {
  const auto [M, N, K] = shape;
  return M * N * K + static_cast<std::int64_t>(sizeof(float)) * N * K >=
         kLeastWork;
}

}  // namespace

Range GemmPlan::panels_of(std::int64_t phase) const {
  return part_of({0, row_panels}, phase / depth_blocks, row_blocks);
}

Range GemmPlan::depth_of(std::int64_t phase) const {
  return part_of({0, shape.K}, phase % depth_blocks, depth_blocks);
}

Range GemmPlan::packed_by(std::int64_t part, Range panels) const {
  return part_of(panels, part, parts());
}

Range GemmPlan::rows_of(std::int64_t part, Range panels) const {
  return part_of(panels, part / column_parts, row_parts);
}

Range GemmPlan::columns_of(std::int64_t part) const {
  return part_of({0, column_panels}, part % column_parts, column_parts);
}

std::int64_t GemmPlan::a_elements() const {
  return largest_part(row_panels, row_blocks) * tile.rows *
         largest_part(shape.K, depth_blocks);
}

std::int64_t GemmPlan::b_elements() const {
  return largest_part(column_panels, column_parts) * tile.columns *
         largest_part(shape.K, depth_blocks);
}

std::int64_t GemmPlan::sum_elements() const {
  const std::int64_t rows = largest_part(row_panels, row_blocks) * tile.rows;
  return depth_blocks == 1 ? 0 : rows * shape.N;
}

GemmPlan plan_gemm(const GemmShape& shape, const GemmTile& tile, int threads) {
  GemmPlan plan{.shape = shape, .tile = tile};
  plan.row_panels = divided_up(shape.M, tile.rows);
  plan.column_panels = divided_up(shape.N, tile.columns);
  plan.depth_blocks = divided_up(shape.K, GemmPlan::kMostDepth);
  plan.row_blocks =
      divided_up(plan.row_panels * tile.rows, GemmPlan::kMostRows);
  set_parts(plan, is_worth_threads(shape) ? threads : 1);
  return plan;
}

}  // namespace dure::kernels
