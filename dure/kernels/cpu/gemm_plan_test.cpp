#include "dure/kernels/cpu/gemm_plan.h"

#include <fmt/core.h>
#include <vector>

#include <gtest/gtest.h>

namespace dure::kernels {
namespace {

constexpr GemmTile kTile = {.rows = 8, .columns = 48};

std::vector<GemmShape> shapes() {
  std::vector<GemmShape> shapes;
  for (const std::int64_t M : {1, 7, 8, 100, 1024, 1025, 2100}) {
    for (const std::int64_t N : {1, 48, 768, 5000}) {
      for (const std::int64_t K : {1, 768, 769, 3072}) {
        shapes.push_back({M, N, K});
      }
    }
  }
  return shapes;
}

template <typename Body>
void for_each_plan(const Body& body) {
  for (const GemmShape& shape : shapes()) {
    for (const int threads : {1, 2, 3, 8, 64}) {
      SCOPED_TRACE(fmt::format("M {}, N {}, K {} on {} threads",
                               shape.M,
                               shape.N,
                               shape.K,
                               threads));
      body(plan_gemm(shape, kTile, threads), threads);
    }
  }
}

TEST(GemmPlan, HasAsManyPartsForEachThreadOrOneForAll) {
  for_each_plan([](const GemmPlan& plan, int threads) {
    EXPECT_TRUE(plan.threads == threads || plan.parts() == 1);
    EXPECT_EQ(plan.parts() % plan.threads, 0);
  });
  EXPECT_EQ(plan_gemm({1, 48, 768}, kTile, 64).parts(), 1);
  EXPECT_EQ(plan_gemm({1, 3072, 768}, kTile, 64).parts(), 64);
}

// Every tile is summed over all of K in order, each part at once.
TEST(GemmPlan, CoversEveryTileOverAllOfKOnce) {
  for_each_plan([](const GemmPlan& plan, int) {
    const auto tiles = plan.row_panels * plan.column_panels;
    std::vector<std::int64_t> depth(static_cast<std::size_t>(tiles));
    for (std::int64_t phase = 0; phase < plan.phases(); ++phase) {
      const Range k = plan.depth_of(phase);
      const Range panels = plan.panels_of(phase);
      for (std::int64_t part = 0; part < plan.parts(); ++part) {
        const Range rows = plan.rows_of(part, panels);
        const Range columns = plan.columns_of(part);
        for (std::int64_t i = rows.first; i < rows.last; ++i) {
          for (std::int64_t j = columns.first; j < columns.last; ++j) {
            auto& done =
                depth[static_cast<std::size_t>(i * plan.column_panels + j)];
            ASSERT_EQ(done, k.first);
            done = k.last;
          }
        }
      }
    }
    for (const std::int64_t done : depth) {
      ASSERT_EQ(done, plan.shape.K);
    }
  });
}

TEST(GemmPlan, PacksEveryPanelOfAPhaseOnce) {
  for_each_plan([](const GemmPlan& plan, int) {
    for (std::int64_t phase = 0; phase < plan.phases(); ++phase) {
      const Range panels = plan.panels_of(phase);
      std::int64_t next = panels.first;
      for (std::int64_t part = 0; part < plan.parts(); ++part) {
        const Range mine = plan.packed_by(part, panels);
        ASSERT_EQ(mine.first, next);
        next = mine.last;
      }
      ASSERT_EQ(next, panels.last);
      ASSERT_LE(panels.count() * plan.tile.rows * plan.depth_of(phase).count(),
                plan.a_elements());
    }
  });
}

// The bits of a sum depend on these cuts.
TEST(GemmPlan, CutsKByKAlone) {
  for_each_plan([](const GemmPlan& plan, int) {
    const GemmPlan least = plan_gemm({1, 1, plan.shape.K}, kTile, 1);
    ASSERT_EQ(plan.depth_blocks, least.depth_blocks);
    for (std::int64_t phase = 0; phase < plan.phases(); ++phase) {
      ASSERT_EQ(plan.depth_of(phase),
                least.depth_of(phase % plan.depth_blocks));
    }
  });
}

TEST(GemmPlan, SharesTilesOutEvenly) {
  for (const int threads : {2, 4, 8, 16}) {
    const GemmPlan plan = plan_gemm({1024, 768, 768}, kTile, threads);
    const Range panels = plan.panels_of(0);
    const std::int64_t tiles = panels.count() * plan.column_panels;
    for (std::int64_t part = 0; part < plan.parts(); ++part) {
      EXPECT_EQ(
          plan.rows_of(part, panels).count() * plan.columns_of(part).count(),
          tiles / plan.parts());
    }
  }
}

TEST(GemmPlan, HoldsItsWorkspaceBelowAFewMegabytesWhateverTheShape) {
  for_each_plan([](const GemmPlan& plan, int) {
    EXPECT_LE(plan.b_elements() * 4, GemmPlan::kBlockBytes);
    EXPECT_LE(plan.a_elements(), GemmPlan::kMostRows * GemmPlan::kMostDepth);
  });
}

TEST(GemmPlan, KeepsSumsOfABlockOfRowsIfKHasSeveralBlocks) {
  EXPECT_EQ(plan_gemm({1100, 50, 768}, kTile, 1).sum_elements(), 0);
  for_each_plan([](const GemmPlan& plan, int) {
    for (std::int64_t phase = 0; phase < plan.phases(); ++phase) {
      const std::int64_t rows = plan.panels_of(phase).count() * plan.tile.rows;
      ASSERT_TRUE(plan.depth_of(phase).count() == plan.shape.K ||
                  rows * plan.shape.N <= plan.sum_elements());
    }
  });
}

}  // namespace
}  // namespace dure::kernels
