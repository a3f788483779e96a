#include "dure/mesh/sharding.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::mesh {
namespace {

std::vector<Stretch> stretches(const Dims& shape,
                               const std::optional<Sharding>& sharding,
                               Part part) {
  return LocalPart(shape, sharding, part).stretches();
}

TEST(Sharding, WithoutOneEveryRankHoldsAll) {
  EXPECT_EQ(local_shape({3, 5}, std::nullopt, 4), (Dims{3, 5}));
  EXPECT_EQ(stretches({3, 5}, std::nullopt, {.index = 2, .count = 4}),
            (std::vector<Stretch>{{0, 0, 15}}));
}

TEST(Sharding, RowsAreOneStretch) {
  EXPECT_EQ(local_shape({4, 5}, Sharding{.dim = 0}, 2), (Dims{2, 5}));
  EXPECT_EQ(stretches({4, 5}, Sharding{.dim = 0}, {.index = 1, .count = 2}),
            (std::vector<Stretch>{{0, 10, 10}}));
}

TEST(Sharding, ColumnsAreAStretchARow) {
  EXPECT_EQ(stretches({2, 6}, Sharding{.dim = 1}, {.index = 1, .count = 3}),
            (std::vector<Stretch>{{0, 2, 2}, {2, 8, 2}}));
}

TEST(Sharding, EverySectionIsCutByItself) {
  const Sharding qkv{.dim = 0, .sections = {8, 2, 2}};
  EXPECT_EQ(stretches({12, 1}, qkv, {.index = 1, .count = 2}),
            (std::vector<Stretch>{{0, 4, 4}, {4, 9, 1}, {5, 11, 1}}));
}

// Two key-value heads of 1 row on four ranks, four query heads.
TEST(Sharding, NeighboursHoldTheSameWhereASectionHasCopies) {
  const Sharding qkv{.sections = {4, 2, 2}, .copies = {1, 2, 2}};
  EXPECT_EQ(local_shape({8, 3}, qkv, 4), (Dims{3, 3}));
  EXPECT_EQ(stretches({8, 1}, qkv, {.index = 2, .count = 4}),
            (std::vector<Stretch>{{0, 2, 1}, {1, 5, 1}, {2, 7, 1}}));
  EXPECT_EQ(stretches({8, 1}, qkv, {.index = 3, .count = 4}),
            (std::vector<Stretch>{{0, 3, 1}, {1, 5, 1}, {2, 7, 1}}));
}

TEST(Sharding, PartsOfSectionsWithCopiesCoverThemAsOftenAsThereAreCopies) {
  const Dims shape = {16 + 4 + 2, 3};
  for (const std::int64_t count : {4, 8}) {
    const Sharding cut{.sections = {16, 4, 2},
                       .copies = {1, count / 4, count / 2}};
    std::vector<std::int64_t> seen(22 * 3);
    for (std::int64_t index = 0; index < count; ++index) {
      const LocalPart part(shape, cut, {index, count});
      EXPECT_EQ(part.elements(), elements(local_shape(shape, cut, count)));
      for (const Stretch& stretch : part.stretches()) {
        for (std::int64_t i = 0; i < stretch.length; ++i) {
          ++seen[static_cast<std::size_t>(stretch.global + i)];
        }
      }
    }
    for (std::int64_t row = 0; row < 22; ++row) {
      const std::int64_t copies = row < 16 ? 1 : cut.copies[row < 20 ? 1 : 2];
      EXPECT_EQ(seen[static_cast<std::size_t>(3 * row)], copies) << row;
      EXPECT_EQ(seen[static_cast<std::size_t>(3 * row + 2)], copies) << row;
    }
  }
}

TEST(Sharding, WhatIsNotCutIsOneStretch) {
  const Dims shape = {6, 4};
  for (const Sharding& sharding :
       {Sharding{.dim = 1}, Sharding{.sections = {2, 4}}}) {
    const LocalPart all(shape, sharding, {0, 1});
    EXPECT_TRUE(all.is_one_stretch());
    EXPECT_EQ(all.stretches(), (std::vector<Stretch>{{0, 0, 24}}));
    EXPECT_FALSE(LocalPart(shape, sharding, {0, 2}).is_one_stretch());
  }
  EXPECT_TRUE(LocalPart(shape, Sharding{}, {1, 2}).is_one_stretch());
}

struct Case {
  Dims shape;
  std::optional<Sharding> sharding;
};

class EverySharding : public testing::TestWithParam<Case> {};

TEST_P(EverySharding, PartsCoverTheTensorOnceAndKeepTheirShape) {
  const auto& [shape, sharding] = GetParam();
  for (const std::int64_t count : {1, 2, 4}) {
    std::vector<int> seen(static_cast<std::size_t>(elements(shape)));
    for (std::int64_t index = 0; index < count; ++index) {
      std::int64_t next_local = 0;
      for (const Stretch& stretch :
           stretches(shape, sharding, {index, count})) {
        EXPECT_EQ(stretch.local, next_local);
        next_local += stretch.length;
        for (std::int64_t i = 0; i < stretch.length; ++i) {
          ++seen[static_cast<std::size_t>(stretch.global + i)];
        }
      }
      EXPECT_EQ(next_local, elements(local_shape(shape, sharding, count)));
    }
    EXPECT_EQ(seen, std::vector<int>(seen.size(), sharding ? 1 : int(count)));
  }
}

// Element by element, of every range.
TEST_P(EverySharding, RangesAreWhatTheirElementsSay) {
  const auto& [shape, sharding] = GetParam();
  for (const Part part : {Part{0, 1}, Part{1, 2}, Part{2, 4}}) {
    const LocalPart local(shape, sharding, part);
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
            ASSERT_EQ(stretch.global + i,
                      global[static_cast<std::size_t>(next++)]);
          }
        }
        ASSERT_EQ(next, last);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes,
    EverySharding,
    testing::Values(Case{{8}, Sharding{}},
                    Case{{3, 8}, Sharding{.dim = 1}},
                    Case{{16, 3}, Sharding{.sections = {8, 4, 4}}},
                    Case{{2, 12, 3}, Sharding{.dim = 1, .sections = {8, 4}}},
                    Case{{3, 5}, std::nullopt}));

TEST(Sharding, RefusesWhatDoesNotDivide) {
  EXPECT_THROW(local_shape({6}, Sharding{}, 4), Error);
  EXPECT_THROW(stretches({8}, Sharding{.sections = {6, 2}}, {0, 4}), Error);
  EXPECT_THROW(stretches({8}, Sharding{.sections = {6, 1}}, {0, 1}), Error);
  const Sharding pairs{.sections = {6, 2}, .copies = {1, 2}};
  EXPECT_THROW(stretches({8}, pairs, {0, 3}), Error);
  EXPECT_THROW(
      stretches({8}, Sharding{.sections = {6, 2}, .copies = {2}}, {0, 2}),
      Error);
  EXPECT_THROW(LocalPart({8}, Sharding{}, {0, 2}).stretches(0, 5), Error);
  EXPECT_THROW(local_shape({6}, Sharding{.dim = 1}, 2), Error);
}

}  // namespace
}  // namespace dure::mesh
