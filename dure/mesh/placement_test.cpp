#include "dure/mesh/placement.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::mesh {
namespace {

Place on_tensor(Part part) {
  return Place().with(Axis::kTensor, part);
}

std::vector<Stretch> stretches(const Dims& shape,
                               const Placement& placement,
                               Part part) {
  return LocalPart(shape, placement, on_tensor(part)).stretches();
}

Dims shape_on(const Dims& shape,
              const Placement& placement,
              std::int64_t count) {
  return local_shape(shape, placement, on_tensor({0, count}));
}

TEST(Placement, WhatIsNotCutIsOnEveryRank) {
  EXPECT_EQ(shape_on({3, 5}, {}, 4), (Dims{3, 5}));
  EXPECT_EQ(stretches({3, 5}, {}, {.index = 2, .count = 4}),
            (std::vector<Stretch>{{0, 0, 15}}));
}

TEST(Placement, RowsAreOneStretch) {
  EXPECT_EQ(shape_on({4, 5}, {{.dim = 0}}, 2), (Dims{2, 5}));
  EXPECT_EQ(stretches({4, 5}, {{.dim = 0}}, {.index = 1, .count = 2}),
            (std::vector<Stretch>{{0, 10, 10}}));
}

TEST(Placement, ColumnsAreAStretchARow) {
  EXPECT_EQ(stretches({2, 6}, {{.dim = 1}}, {.index = 1, .count = 3}),
            (std::vector<Stretch>{{0, 2, 2}, {2, 8, 2}}));
}

TEST(Placement, EverySectionIsCutByItself) {
  const Placement qkv = {{.dim = 0, .sections = {8, 2, 2}}};
  EXPECT_EQ(stretches({12, 1}, qkv, {.index = 1, .count = 2}),
            (std::vector<Stretch>{{0, 4, 4}, {4, 9, 1}, {5, 11, 1}}));
}

// There are two key-value heads of 1 row on four ranks, and four query heads.
TEST(Placement, NeighboursHoldTheSameWhereRanksAreMoreThanParts) {
  const Placement qkv = {{.sections = {4, 2, 2}, .most_parts = {4, 2, 2}}};
  EXPECT_EQ(shape_on({8, 3}, qkv, 4), (Dims{3, 3}));
  EXPECT_EQ(stretches({8, 1}, qkv, {.index = 2, .count = 4}),
            (std::vector<Stretch>{{0, 2, 1}, {1, 5, 1}, {2, 7, 1}}));
  EXPECT_EQ(stretches({8, 1}, qkv, {.index = 3, .count = 4}),
            (std::vector<Stretch>{{0, 3, 1}, {1, 5, 1}, {2, 7, 1}}));
  EXPECT_EQ(copies_of(qkv[0], 1), (Dims{1, 1, 1}));
  EXPECT_EQ(copies_of(qkv[0], 4), (Dims{1, 2, 2}));
}

TEST(Placement, SectionsAreCoveredAsOftenAsThereAreCopies) {
  const Dims shape = {16 + 4 + 2, 3};
  for (const std::int64_t count : {4, 8}) {
    const Cut cut{.sections = {16, 4, 2}, .most_parts = {16, 4, 2}};
    std::vector<std::int64_t> seen(22 * 3);
    for (std::int64_t index = 0; index < count; ++index) {
      const LocalPart part(shape, {cut}, on_tensor({index, count}));
      EXPECT_EQ(part.elements(), elements(shape_on(shape, {cut}, count)));
      for (const Stretch& stretch : part.stretches()) {
        for (std::int64_t i = 0; i < stretch.length; ++i) {
          ++seen[stretch.global + i];
        }
      }
    }
    for (std::int64_t row = 0; row < 22; ++row) {
      const std::int64_t copies = row < 16 ? 1 : count / (row < 20 ? 4 : 2);
      EXPECT_EQ(seen[static_cast<std::size_t>(3 * row)], copies) << row;
      EXPECT_EQ(seen[static_cast<std::size_t>(3 * row + 2)], copies) << row;
    }
  }
}

TEST(Placement, WhatOneRankHasIsOneStretch) {
  const Dims shape = {6, 4};
  for (const Cut& cut : {Cut{.dim = 1}, Cut{.sections = {2, 4}}}) {
    const LocalPart all(shape, {cut}, Place());
    EXPECT_EQ(all.stretches(), (std::vector<Stretch>{{0, 0, 24}}));
    EXPECT_GT(LocalPart(shape, {cut}, on_tensor({0, 2})).stretches().size(), 1);
  }
  EXPECT_EQ(LocalPart(shape, {Cut{}}, on_tensor({1, 2})).stretches().size(), 1);
}

// These are experts' matrices whose columns tensor ranks share.
TEST(Placement, IsAlongSeveralAxes) {
  const Placement experts = {{.axis = Axis::kExpert, .dim = 0},
                             {.axis = Axis::kTensor, .dim = 2}};
  const Place place =
      on_tensor({1, 2}).with(Axis::kExpert, {.index = 1, .count = 2});
  EXPECT_EQ(local_shape({4, 2, 6}, experts, place), (Dims{2, 2, 3}));
  EXPECT_EQ(
      LocalPart({4, 2, 6}, experts, place).stretches(),
      (std::vector<Stretch>{{0, 27, 3}, {3, 33, 3}, {6, 39, 3}, {9, 45, 3}}));
}

TEST(Placement, SaysWhatAGradientIsSummedOver) {
  EXPECT_EQ(summed_over({}), kReplicas);
  EXPECT_EQ(summed_over({{.axis = Axis::kTensor}}), kReplicas);
  EXPECT_EQ(summed_over({{.axis = Axis::kExpert}, {.dim = 1}}),
            (AxisSet{Axis::kData, Axis::kContext}));
}

TEST(Placement, PlacesAreThoseOfTheMesh) {
  const Mesh mesh({.pipe = 2, .data = 3, .expert = 2, .tensor = 2});
  for (int rank = 0; rank < mesh.size(); ++rank) {
    const Place place(mesh, rank);
    for (const Axis axis : kMegatronOrder) {
      EXPECT_EQ(place.part(axis),
                (Part{mesh.coordinate(rank, axis), mesh.size(axis)}));
    }
  }
}

struct Case {
  Dims shape;
  Placement placement;
};

// A place at `rank` of `count` on each axis that cuts the tensor, and on no
// other.
Place place_of(const Placement& placement, std::int64_t count, int rank) {
  Place place;
  for (const Cut& cut : placement) {
    place = place.with(cut.axis, {rank % count, count});
    rank /= static_cast<int>(count);
  }
  return place;
}

int ranks_of(const Placement& placement, std::int64_t count) {
  int ranks = 1;
  for (std::size_t i = 0; i < placement.size(); ++i) {
    ranks *= static_cast<int>(count);
  }
  return ranks;
}

class EveryPlacement : public testing::TestWithParam<Case> {};

TEST_P(EveryPlacement, PartsCoverTheTensorOnceAndKeepTheirShape) {
  const auto& [shape, placement] = GetParam();
  for (const std::int64_t count : {1, 2, 4}) {
    std::vector<int> seen(static_cast<std::size_t>(elements(shape)));
    for (int rank = 0; rank < ranks_of(placement, count); ++rank) {
      const Place place = place_of(placement, count, rank);
      std::int64_t next_local = 0;
      for (const Stretch& stretch :
           LocalPart(shape, placement, place).stretches()) {
        EXPECT_EQ(stretch.local, next_local);
        next_local += stretch.length;
        for (std::int64_t i = 0; i < stretch.length; ++i) {
          ++seen[stretch.global + i];
        }
      }
      EXPECT_EQ(next_local, elements(local_shape(shape, placement, place)));
    }
    EXPECT_EQ(seen, std::vector<int>(seen.size(), 1));
  }
}

// Compares every range element by element.
TEST_P(EveryPlacement, RangesAreWhatTheirElementsSay) {
  const auto& [shape, placement] = GetParam();
  for (const std::int64_t count : {1, 2, 4}) {
    const Place place =
        place_of(placement, count, ranks_of(placement, count) / 2);
    const LocalPart local(shape, placement, place);
    std::vector<std::int64_t> global;
    for (const Stretch& stretch : local.stretches()) {
      for (std::int64_t i = 0; i < stretch.length; ++i) {
        global.push_back(stretch.global + i);
      }
    }
    ASSERT_EQ(std::ssize(global), local.elements());
    for (std::int64_t at = 0; at <= elements(shape); ++at) {
      EXPECT_EQ(
          local.before(at),
          std::lower_bound(global.begin(), global.end(), at) - global.begin());
    }
    for (std::int64_t first = 0; first < local.elements(); ++first) {
      for (std::int64_t last = first; last <= local.elements(); ++last) {
        std::int64_t next = first;
        for (const Stretch& stretch : local.stretches(first, last - first)) {
          ASSERT_GT(stretch.length, 0);
          ASSERT_EQ(stretch.local, next);
          for (std::int64_t i = 0; i < stretch.length; ++i) {
            ASSERT_EQ(stretch.global + i, global[next++]);
          }
        }
        ASSERT_EQ(next, last);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes,
    EveryPlacement,
    testing::Values(
        Case{{8}, {Cut{}}},
        Case{{3, 8}, {{.dim = 1}}},
        Case{{16, 3}, {{.sections = {8, 4, 4}}}},
        Case{{2, 12, 3}, {{.dim = 1, .sections = {8, 4}}}},
        Case{{4, 4}, {{.axis = Axis::kExpert}, {.dim = 1}}},
        Case{{4, 3, 8}, {{.axis = Axis::kExpert}, {.dim = 2}}},
        Case{{4, 12, 2},
             {{.dim = 1, .sections = {8, 4}}, {.axis = Axis::kExpert}}},
        Case{{2, 4, 4, 2}, {{.dim = 2}, {.axis = Axis::kData, .dim = 1}}},
        Case{{3, 5}, {}}));

TEST(Placement, RefusesWhatDoesNotDivide) {
  EXPECT_THROW(shape_on({6}, {Cut{}}, 4), Error);
  EXPECT_THROW(stretches({8}, {{.sections = {6, 2}}}, {0, 4}), Error);
  EXPECT_THROW(stretches({8}, {{.sections = {6, 1}}}, {0, 1}), Error);
  const Placement pairs = {{.sections = {6, 2}, .most_parts = {6, 2}}};
  EXPECT_THROW(stretches({8}, pairs, {0, 4}), Error);
  EXPECT_THROW(
      stretches({8}, {{.sections = {6, 2}, .most_parts = {2}}}, {0, 2}), Error);
  EXPECT_THROW(LocalPart({8}, {Cut{}}, on_tensor({0, 2})).stretches(0, 5),
               Error);
  EXPECT_THROW(shape_on({6}, {{.dim = 1}}, 2), Error);
}

TEST(Placement, RefusesTwoCutsOfOneDimensionOrAlongOneAxis) {
  EXPECT_THROW(shape_on({8, 8}, {Cut{}, {.axis = Axis::kExpert}}, 2), Error);
  EXPECT_THROW(shape_on({8, 8}, {Cut{}, {.dim = 1}}, 2), Error);
}

}  // namespace
}  // namespace dure::mesh
