#include "dure/mesh/draw.h"

#include <sstream>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::mesh {
namespace {

// Checks the drawing in the header.
TEST(Draw, ShowsStagesSideBySideAndWhereNodesEnd) {
  const Mesh mesh({.pipe = 2, .data = 2, .tensor = 2});
  EXPECT_EQ(draw(mesh, deal({"a", "b"}, {5, 3})),
            "         stage 0       stage 1\n"
            "tensor   0  1          0  1\n"
            "data 0  [0  1] a   -> [4 |5] a,b\n"
            "data 1  [2  3] a   -> [6  7] b\n");
}

TEST(Draw, PutsStagesThatHaveNoRoomBelow) {
  const Mesh mesh({.pipe = 3, .data = 4});
  EXPECT_EQ(draw(mesh, {}, 39),
            "         stage 0     stage 1\n"
            "tensor    0           0\n"
            "data 0  [ 0]     -> [ 4]     ->\n"
            "data 1  [ 1]     -> [ 5]     ->\n"
            "data 2  [ 2]     -> [ 6]     ->\n"
            "data 3  [ 3]     -> [ 7]     ->\n"
            "\n"
            "         stage 2\n"
            "tensor    0\n"
            "data 0  [ 8]\n"
            "data 1  [ 9]\n"
            "data 2  [10]\n"
            "data 3  [11]\n");
  // The label takes 8, three stages take 8 each, two arrows 4 each.
  EXPECT_EQ(draw(mesh, {}, 40).find("\n\n"), std::string::npos);
}

TEST(Draw, NamesTheAxesOfARowOutermostFirst) {
  const Mesh mesh({.data = 2, .context = 2});
  EXPECT_EQ(draw(mesh),
            "                   stage 0\n"
            "tensor             0\n"
            "data 0 context 0  [0]\n"
            "data 0 context 1  [1]\n"
            "data 1 context 0  [2]\n"
            "data 1 context 1  [3]\n");
}

// Whatever the mesh, its order and the width, every rank is drawn once.
TEST(Draw, ShowsEveryRankOnce) {
  for (const char* order : {"tp-cp-ep-dp-pp", "pp-dp-ep-cp-tp"}) {
    const Mesh mesh(
        {.pipe = 3, .data = 2, .context = 2, .expert = 2, .tensor = 2},
        parse_order(order));
    for (const std::size_t columns : {0, 60, 500}) {
      std::vector<int> seen(static_cast<std::size_t>(mesh.size()));
      const std::string text = draw(mesh, {}, columns);
      std::size_t open = text.find('[');
      for (; open != std::string::npos; open = text.find('[', open + 1)) {
        std::istringstream group(text.substr(open + 1));
        for (int rank = 0; group >> rank;) {
          ++seen.at(static_cast<std::size_t>(rank));
        }
      }
      EXPECT_EQ(seen, std::vector<int>(seen.size(), 1)) << text;
    }
  }
}

TEST(Draw, RefusesNodesOfAnotherNumberOfRanks) {
  EXPECT_THROW(draw(Mesh({.tensor = 2}), deal({"a"}, {3})), Error);
}

TEST(Draw, DescribesAMesh) {
  const Mesh mesh({.pipe = 4, .data = 2, .tensor = 2});
  EXPECT_EQ(describe_sizes(mesh), "16 ranks = pipeline 4 x data 2 x tensor 2");
  EXPECT_EQ(describe_order(mesh), "rank = tensor + 2 data + 4 pipeline");
  EXPECT_EQ(describe_sizes(Mesh({})), "1 rank");
  EXPECT_EQ(describe_order(Mesh({})), "rank = 0");
}

TEST(List, BreaksLinesBetweenGroups) {
  EXPECT_EQ(list({{0, 1}, {2, 3}, {4, 5}}, 14), "  [0,1] [2,3]\n  [4,5]\n");
  EXPECT_EQ(list({{0, 1, 2}, {3}}, 5), "  [0,1,2]\n  [3]\n");  // as it must
}

}  // namespace
}  // namespace dure::mesh
