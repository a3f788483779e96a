#include "dure/mesh/sharding.h"

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::mesh {
namespace {

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
  EXPECT_THROW(local_shape({6}, Sharding{.dim = 1}, 2), Error);
}

}  // namespace
}  // namespace dure::mesh
