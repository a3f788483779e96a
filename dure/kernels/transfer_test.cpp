#include "dure/kernels/transfer.h"

#include <array>

#include <gtest/gtest.h>

#include "dure/tensor/arena.h"

namespace dure::kernels {
namespace {

TEST(Transfer, GoesThereAndBack) {
  Stream stream(Device::kCpu);
  Arena arena(stream);
  const OwnedTensor x = arena.tensor({3}, Category::kWorkspace, DType::kF32);
  const std::array<float, 3> there = {1, 2, 3};
  std::array<float, 3> back = {};
  launch(stream, Upload{.y = x, .host = std::as_bytes(std::span(there))});
  launch(stream,
         Download{.host = std::as_writable_bytes(std::span(back)), .x = x});
  stream.synchronize();
  EXPECT_EQ(back, there);
}

TEST(Transfer, MovesNothingOnTheSimulator) {
  Stream stream(Device::kSim);
  Arena arena(stream);
  const OwnedTensor x = arena.tensor({3}, Category::kWorkspace, DType::kF32);
  std::array<float, 3> host = {1, 2, 3};
  launch(stream,
         Download{.host = std::as_writable_bytes(std::span(host)), .x = x});
  EXPECT_EQ(host[2], 3);
  EXPECT_GT(stream.seconds(), 0);
}

TEST(Transfer, RefusesAnotherSize) {
  Stream stream(Device::kCpu);
  Arena arena(stream);
  const OwnedTensor x = arena.tensor({3}, Category::kWorkspace, DType::kF32);
  EXPECT_THROW(launch(stream, Upload{.y = x, .host = {}}), Error);
}

TEST(EveryNthRow, TakesTheLastOfEachGroup) {
  const std::array<float, 8> x = {0, 1, 2, 3, 4, 5, 6, 7};
  std::array<float, 4> y = {};
  Stream stream(Device::kCpu);
  launch(stream,
         EveryNthRow{.y = Tensor(y.data(), {2, 2}),
                     .x = ConstTensor(x.data(), {4, 2}),
                     .n = 2});
  EXPECT_EQ(y, (std::array<float, 4>{2, 3, 6, 7}));
}

TEST(JoinColumns, PutsBlocksSideBySide) {
  const std::array<float, 12> x = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  std::array<float, 12> y = {};
  const JoinColumns op = {.y = Tensor(y.data(), {2, 6}),
                          .x = ConstTensor(x.data(), {3, 2, 2})};
  Stream stream(Device::kCpu);
  launch(stream, op);
  EXPECT_EQ(y, (std::array<float, 12>{0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11}));
  JoinColumns wrong = op;
  wrong.y = op.y.reshaped({6, 2});
  EXPECT_THROW(check(wrong), Error);
}

TEST(Transfer, MovesRowsAndColumnsOfAnyType) {
  const std::array<std::uint8_t, 8> x = {0, 1, 2, 3, 4, 5, 6, 7};
  std::array<std::uint8_t, 4> rows = {};
  std::array<std::uint8_t, 8> columns = {};
  Stream stream(Device::kCpu);
  launch(stream,
         EveryNthRow{.y = Tensor(rows.data(), {2, 2}),
                     .x = ConstTensor(x.data(), {4, 2}),
                     .n = 2});
  launch(stream,
         JoinColumns{.y = Tensor(columns.data(), {2, 4}),
                     .x = ConstTensor(x.data(), {2, 2, 2})});
  EXPECT_EQ(rows, (std::array<std::uint8_t, 4>{2, 3, 6, 7}));
  EXPECT_EQ(columns, (std::array<std::uint8_t, 8>{0, 1, 4, 5, 2, 3, 6, 7}));
}

}  // namespace
}  // namespace dure::kernels
