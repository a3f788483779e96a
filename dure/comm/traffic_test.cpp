#include "dure/comm/traffic.h"

#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dure/comm/host_testing.h"
#include "dure/comm/threads/threads_communicator.h"
#include "dure/comm/traffic_report.h"

namespace dure::comm {
namespace {

// There are two groups of two in a world of four; the counts are of one rank.
TEST(Traffic, IsCountedByAxisAndKindAndReported) {
  ThreadWorld threads(4, {});
  std::vector<std::string> tables(4);
  std::vector<std::string> lists(4);
  const auto body = [&](std::size_t rank) {
    Communicator& world = *threads.communicators()[rank];
    const auto tensor = world.split(world.rank() / 2, world.rank(), "tensor");
    std::vector<float> x(6);
    const Tensor whole(x.data(), {6});
    tensor->run(host(), AllReduce{.y = whole, .x = whole});
    tensor->run(host(), AllReduce{.y = whole, .x = whole});
    EXPECT_EQ(world.traffic().of("tensor", Kind::kAllReduce),
              (Traffic::Count{2, 48}));
    EXPECT_EQ(world.traffic().of("data", Kind::kAllReduce), Traffic::Count{});
    tables[rank] = to_table(tensor->traffic());
    lists[rank] = nlohmann::ordered_json(tensor->traffic()).dump();
  };
  {
    std::vector<std::jthread> ranks;
    for (std::size_t rank = 0; rank < 4; ++rank) {
      ranks.emplace_back(body, rank);
    }
  }
  const std::string& table = tables[3];
  const std::string& json = lists[3];
  EXPECT_NE(table.find("| tensor | all_reduce | 2 | 48 |\n"), std::string::npos)
      << table;
  EXPECT_NE(json.find("{\"axis\":\"tensor\",\"collective\":\"all_reduce\","
                      "\"calls\":2,\"bytes\":48}"),
            std::string::npos)
      << json;
  EXPECT_EQ(table.find("broadcast"), std::string::npos);
}

}  // namespace
}  // namespace dure::comm
