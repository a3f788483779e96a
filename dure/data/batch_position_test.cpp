#include "dure/data/batch_position.h"

#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::data {
namespace {

TEST(BatchPosition, IsTheDrawing) {
  const BatchLayout layout{
      .global_batch = 8, .micro_batch = 2, .ranks = 2, .rank = 1};
  EXPECT_EQ(layout.micro_batches(), 2);
  EXPECT_EQ(layout.sample(0, 0, 0), 2);
  EXPECT_EQ(layout.sample(0, 1, 1), 7);
  EXPECT_EQ(layout.sample(8, 1, 1), 15);
}

TEST(BatchPosition, EveryLayoutReadsTheSameSamplesInOrder) {
  for (std::int64_t ranks = 1; ranks <= 4; ++ranks) {
    for (std::int64_t micro_batch : {1, 2, 3}) {
      const std::int64_t batch = 12 * ranks * micro_batch;
      std::vector<std::int64_t> read;
      for (std::int64_t consumed : {std::int64_t{0}, batch}) {
        BatchLayout layout{batch, micro_batch, ranks, 0};
        layout.check();
        for (std::int64_t step = 0; step < layout.micro_batches(); ++step) {
          for (layout.rank = 0; layout.rank < ranks; ++layout.rank) {
            for (std::int64_t row = 0; row < micro_batch; ++row) {
              read.push_back(layout.sample(consumed, step, row));
            }
          }
        }
      }
      std::vector<std::int64_t> counted(2 * batch);
      std::iota(counted.begin(), counted.end(), 0);
      EXPECT_EQ(read, counted);
    }
  }
}

TEST(BatchPosition, RefusesABatchThatDoesNotDivide) {
  EXPECT_THROW((BatchLayout{8, 3, 1, 0}).check(), Error);
  EXPECT_THROW((BatchLayout{8, 2, 3, 0}).check(), Error);
  EXPECT_THROW((BatchLayout{8, 2, 2, 2}).check(), Error);
  EXPECT_THROW((BatchLayout{0, 1, 1, 0}).check(), Error);
}

}  // namespace
}  // namespace dure::data
