#include "dure/checkpoint/parallel_io.h"

#include <functional>
#include <gmock/gmock.h>
#include <vector>

#include <gtest/gtest.h>

#include "dure/checkpoint/scratch_folder.h"

namespace dure::checkpoint {
namespace {

using testing::HasSubstr;

// The specification lists XXH64 of the empty string and of "abc", with seed 0.
TEST(Xxh64, HoldsThePublishedSums) {
  EXPECT_EQ(xxh64({}), 0xEF46DB3751D8E999ULL);
  const std::string text = "abc";
  const auto bytes = std::as_bytes(std::span(text));
  Xxh64 hash;
  hash.add(bytes.first(1));
  hash.add(bytes.subspan(1));
  EXPECT_EQ(hash.sum(), 0x44BC2CF5AD770999ULL);
}

TEST(RunTasks, RunsEachOnceAndRethrowsTheFirstError) {
  std::vector<int> runs(100);
  std::vector<std::function<void()>> tasks;
  for (int& count : runs) {
    tasks.emplace_back([&count] { ++count; });
  }
  run_tasks(tasks);
  EXPECT_EQ(runs, std::vector<int>(100, 1));
  tasks[50] = [] { throw Error("at 50"); };
  EXPECT_THAT(error_of([&] { run_tasks(tasks); }), HasSubstr("at 50"));
  run_tasks({});
}

}  // namespace
}  // namespace dure::checkpoint
