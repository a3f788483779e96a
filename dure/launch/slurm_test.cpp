#include "dure/launch/slurm.h"

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::mesh {
namespace {

using Names = std::vector<std::string>;

TEST(NodeList, ExpandsBrackets) {
  EXPECT_EQ(parse_node_list("node[01-03,7],gpu5"),
            (Names{"node01", "node02", "node03", "node7", "gpu5"}));
  EXPECT_EQ(parse_node_list("alone"), (Names{"alone"}));
  EXPECT_EQ(parse_node_list("a,b-1,c.d"), (Names{"a", "b-1", "c.d"}));
  EXPECT_EQ(parse_node_list("n[8-11]"), (Names{"n8", "n9", "n10", "n11"}));
  EXPECT_EQ(parse_node_list("n[008-010]-ib"),
            (Names{"n008-ib", "n009-ib", "n010-ib"}));
  EXPECT_EQ(parse_node_list("n[098-100]"), (Names{"n098", "n099", "n100"}));
  EXPECT_EQ(parse_node_list("[1-2]"), (Names{"1", "2"}));
}

TEST(NodeList, VariesTheLastBracketFastest) {
  EXPECT_EQ(parse_node_list("r[1-2]n[1-2],x"),
            (Names{"r1n1", "r1n2", "r2n1", "r2n2", "x"}));
}

TEST(NodeList, RefusesWhatIsNone) {
  for (const char* text : {"",
                           ",",
                           "a,",
                           "a,,b",
                           "a[",
                           "a]",
                           "a[1",
                           "a1]",
                           "a[]",
                           "a[1,]",
                           "a[3-1]",
                           "a[1-]",
                           "a[-1]",
                           "a[1-2-3]",
                           "a[x]",
                           "a[[1]]",
                           "a[1]]",
                           "a[0-9999999999]",
                           "a[0-999999999]",
                           "a[0-1048575],b",
                           "a[0-9999]b[0-9999]"}) {
    EXPECT_THROW(parse_node_list(text), Error) << text;
  }
}

TEST(TasksPerNode, Repeats) {
  EXPECT_EQ(parse_tasks_per_node("4(x2),3"), (std::vector{4, 4, 3}));
  EXPECT_EQ(parse_tasks_per_node("2"), (std::vector{2}));
  EXPECT_EQ(parse_tasks_per_node("1,0,12(x1)"), (std::vector{1, 0, 12}));
}

TEST(TasksPerNode, RefusesWhatIsNone) {
  for (const char* text : {"",
                           "x",
                           "4(",
                           "4(x",
                           "4(x)",
                           "4(x2",
                           "4(x0)",
                           "4(x-1)",
                           "(x2)",
                           "4(2)",
                           "4,",
                           "-1",
                           "4(x2)3",
                           "1(x999999999)"}) {
    EXPECT_THROW(parse_tasks_per_node(text), Error) << text;
  }
}

TEST(SlurmStep, DealsRanksToItsNodes) {
  const auto node_of = [](const std::string& tasks, const std::string& how) {
    return topology_of(SlurmStep{.node_list = "n[1-3]",
                                 .tasks_per_node = tasks,
                                 .distribution = how})
        .node_of;
  };
  EXPECT_EQ(node_of("2(x2),3", "block"), (std::vector{0, 0, 1, 1, 2, 2, 2}));
  EXPECT_EQ(node_of("2(x2),3", "cyclic"), (std::vector{0, 1, 2, 0, 1, 2, 2}));
  EXPECT_EQ(node_of("3", "plane=2"), (std::vector{0, 0, 1, 1, 2, 2, 0, 1, 2}));
  EXPECT_EQ(node_of("2", "cyclic:block"), (std::vector{0, 1, 2, 0, 1, 2}));
  EXPECT_THROW(node_of("2,2", "block"), Error);  // three nodes
  EXPECT_THROW(node_of("999999999(x3)", "block"), Error);
}

}  // namespace
}  // namespace dure::mesh
