#include "dure/report/memory_peaks.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/run/memory_report.h"

namespace dure::report {
namespace {

std::string error_of(const std::string& text) {
  try {
    read_memory(text, "memory.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(ReadMemory, GivesBackWhatARunWrote) {
  Ledger ledger;
  ledger.add(Category::kOptimizer, 100);
  ledger.subtract(Category::kOptimizer, 100);
  ledger.add(Category::kWorkspace, 30);
  const std::string ranks[] = {train::memory_json(0, ledger),
                               train::memory_json(1, Ledger())};
  const auto memory = read_memory(train::memory_json(ranks), "memory.json");
  ASSERT_EQ(memory.size(), 2);
  EXPECT_EQ(memory[0].peak, (BytesByCategory{0, 0, 100, 0, 0, 30}));
  EXPECT_EQ(memory[0].peak_total, 100);
  EXPECT_EQ(memory[1].rank, 1);
  EXPECT_EQ(memory[1].peak, BytesByCategory{});
}

TEST(ReadMemory, SaysWhatIsWrongWhere) {
  EXPECT_THAT(error_of("[\n {\"rank\": }]"),
              ::testing::AllOf(::testing::StartsWith("memory.json: not JSON"),
                               ::testing::HasSubstr("line 2")));
  EXPECT_EQ(error_of("{}"), "memory.json: wanted a list, found object");
  EXPECT_EQ(error_of("[3]"),
            "memory.json: [0]: wanted an object, found number");
  EXPECT_EQ(error_of(R"([{"rank": 0, "peak_total": 1, "peak_bytes": {}}])"),
            "memory.json: [0].peak_bytes: wanted a whole number "
            "\"parameters\"");
  EXPECT_EQ(error_of(R"([{"rank": 0, "peak_total": 1}])"),
            "memory.json: [0].peak_bytes: wanted an object, found null");
}

}  // namespace
}  // namespace dure::report
