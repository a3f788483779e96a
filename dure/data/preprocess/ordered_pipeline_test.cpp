#include "dure/data/preprocess/ordered_pipeline.h"

#include <atomic>
#include <chrono>
#include <gmock/gmock.h>
#include <numeric>
#include <string>

#include <gtest/gtest.h>

#include "dure/base/random.h"
#include "dure/data/test_files.h"

namespace dure::data {
namespace {

using Pipeline = OrderedPipeline<int, int>;

Pipeline::Source count_to(int& next, int end) {
  return [&next, end](int& in) {
    in = next++;
    return in < end;
  };
}

void dawdle(int item) {
  const RandomStream random(0, "test");
  std::this_thread::sleep_for(
      std::chrono::microseconds(random.below(300, item)));
}

TEST(OrderedPipeline, GivesResultsInTheOrderOfTheItems) {
  for (int workers : {1, 2, 7}) {
    for (int items : {0, 1, 3, 100}) {
      int next = 0;
      std::vector<int> got;
      Pipeline pipeline(
          count_to(next, items),
          [](int, int& in) {
            dawdle(in);
            return 2 * in;
          },
          [&](int& out) { got.push_back(out); });
      pipeline.run(workers);
      std::vector<int> expected(items);
      for (int i = 0; i < items; ++i) {
        expected[i] = 2 * i;
      }
      EXPECT_EQ(got, expected);
    }
  }
}

TEST(OrderedPipeline, HoldsFewItemsAtOnce) {
  std::atomic<int> under_way{0};
  int most = 0;
  int next = 0;
  Pipeline pipeline(
      [&](int& in) {
        ++under_way;
        return count_to(next, 200)(in);
      },
      [](int, int& in) { return in; },
      [&](int& out) {
        dawdle(out);
        most = std::max(most, under_way--);
      });
  pipeline.run(2);
  // There are four items a worker, and one each with the reader and the sink.
  EXPECT_LE(most, 4 * 2 + 2);
}

TEST(OrderedPipeline, EndsWithTheFirstItemsError) {
  for (int trial = 0; trial < 20; ++trial) {
    int next = 0;
    int given = 0;
    Pipeline pipeline(
        count_to(next, 1000),
        [](int, int& in) {
          dawdle(in);
          DURE_CHECK(in != 10 && in != 12, "item {}", in);
          return in;
        },
        [&](int&) { ++given; });
    EXPECT_THAT(error_of([&] { pipeline.run(3); }),
                testing::HasSubstr("item 10"));
    EXPECT_EQ(given, 10);
  }
}

TEST(OrderedPipeline, EndsWithAnErrorOfTheSourceAfterWhatCameBefore) {
  int next = 0;
  int given = 0;
  Pipeline pipeline(
      [&](int& in) {
        in = next++;
        DURE_CHECK(in < 5, "source");
        return true;
      },
      [](int, int& in) { return in; },
      [&](int&) { ++given; });
  EXPECT_THAT(error_of([&] { pipeline.run(2); }), testing::HasSubstr("source"));
  EXPECT_EQ(given, 5);
}

TEST(OrderedPipeline, EndsWithAnErrorOfTheSink) {
  int next = 0;
  Pipeline pipeline(
      count_to(next, 1 << 30),
      [](int, int& in) { return in; },
      [](int& out) { DURE_CHECK(out < 50, "sink"); });
  EXPECT_THAT(error_of([&] { pipeline.run(2); }), testing::HasSubstr("sink"));
}

}  // namespace
}  // namespace dure::data
