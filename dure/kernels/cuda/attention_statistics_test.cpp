#include "dure/kernels/cuda/attention_statistics.h"

#include <gtest/gtest.h>

#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

// The device makes this of 0, 1, 2, ... by `reorder`.
template <typename Reorder>
Values reordered(const StatisticsShape& shape, const Reorder& reorder) {
  auto& [stream, arena] = tested_device();
  const std::int64_t count = shape.samples * shape.queries * shape.heads;
  Values values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i);
  }
  const OwnedTensor from =
      arena.tensor({count}, Category::kWorkspace, DType::kF32);
  const OwnedTensor to =
      arena.tensor({count}, Category::kWorkspace, DType::kF32);
  launch(stream, Upload{.y = from, .host = std::as_bytes(std::span(values))});
  reorder(stream, to.data<float>(), from.data<float>(), shape);
  launch(stream,
         Download{.host = std::as_writable_bytes(std::span(values)), .x = to});
  stream.synchronize();
  return values;
}

TEST(AttentionStatistics, AreReorderedWithinEachSample) {
  if (!tests_cuda()) {
    GTEST_SKIP() << "DURE_TEST_DEVICE is not cuda";
  }
  // (B, H, Sq) of 2, 2, 3, and (B, Sq, H).
  const StatisticsShape shape = {.samples = 2, .queries = 3, .heads = 2};
  const Values by_query = {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11};
  EXPECT_EQ(reordered(shape, statistics_by_query), by_query);
  const Values by_head = {0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11};
  EXPECT_EQ(reordered(shape, statistics_by_head), by_head);
  // Several blocks, of which the last is not full.
  const StatisticsShape large = {.samples = 3, .queries = 130, .heads = 5};
  const Values many = reordered(large, statistics_by_head);
  for (std::size_t i = 0; i < many.size(); ++i) {
    const std::size_t b = i / 650;
    const std::size_t head = i / 130 % 5;
    const std::size_t query = i % 130;
    ASSERT_EQ(many[i], static_cast<float>((b * 130 + query) * 5 + head));
  }
}

}  // namespace
}  // namespace dure::kernels
