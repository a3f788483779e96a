#include "dure/base/nearest.h"

#include <vector>

#include <gtest/gtest.h>

namespace dure {
namespace {

TEST(EditDistance, CountsTheFewestChanges) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("hiden", "hidden"), 1);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("hidden", "hiddne"), 1);  // a swap is one
  EXPECT_EQ(edit_distance("abc", "xyz"), 3);
}

TEST(EditDistance, IsSymmetric) {
  const std::vector<std::string> words = {
      "", "a", "ab", "ba", "train", "tarin"};
  for (const auto& a : words) {
    for (const auto& b : words) {
      EXPECT_EQ(edit_distance(a, b), edit_distance(b, a)) << a << " " << b;
    }
  }
}

TEST(Nearest, IsTheFirstOfTheNearest) {
  const std::vector<std::string> known = {"steps", "seed", "seeds"};
  EXPECT_EQ(nearest("sed", known), "seed");
  EXPECT_EQ(nearest("step", known), "steps");
  EXPECT_EQ(nearest("x", {}), "");
}

TEST(Nearest, IsNoneWhereNothingIsNear) {
  const std::vector<std::string> known = {"train", "mesh"};
  EXPECT_EQ(nearest("trian", known), "train");
  EXPECT_EQ(nearest("help", known), "");
  EXPECT_EQ(nearest("xyzzy", known), "");
  EXPECT_EQ(nearest("", known), "");
  EXPECT_EQ(suggestion("mehs", known), "; did you mean mesh?");
  EXPECT_EQ(suggestion("help", known), "; wanted train or mesh");
}

}  // namespace
}  // namespace dure
