#include "dure/kernels/operands.h"

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/half.h"
#include "dure/kernels/activation.h"
#include "dure/kernels/attention.h"
#include "dure/kernels/layer_norm.h"
#include "dure/kernels/matmul.h"

namespace dure::kernels {
namespace {

template <typename Op>
std::string error_of(const Op& op) {
  try {
    check(op);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Operands, AreOfTypesThatTheOperationTakes) {
  std::vector<Bf16> halves(4);
  const Tensor half(halves.data(), {2, 2});
  const Tensor whole(halves.data(), {1, 2}, DType::kI32);
  EXPECT_EQ(error_of(Gelu{.y = half, .x = half}), "");
  EXPECT_EQ(error_of(Gelu{.y = whole, .x = whole}),
            "gelu takes f32, bf16 or f16, got i32");
  EXPECT_EQ(error_of(MatMul{.y = half, .a = half, .b = half}),
            "matmul takes f32, got bf16");
  Attention attention;
  attention.in.q.tensor = whole;
  EXPECT_EQ(error_of(attention), "attention takes f32, bf16 or f16, got i32");
}

TEST(Operands, AreOfOneTypeBesideStatisticsAndGradientsOfWeights) {
  std::vector<Bf16> halves(4);
  std::vector<float> floats(4);
  const Tensor half(halves.data(), {2, 2});
  const Tensor full(floats.data(), {2, 2});
  EXPECT_EQ(error_of(Gelu{.y = full, .x = half}),
            "y is f32 (2, 2), wanted bf16 (2, 2)");
  const Tensor half_row = half.rows(0, 1).reshaped({2});
  const Tensor full_row = full.rows(0, 1).reshaped({2});
  LayerNormBackward op = {.d_x = half,
                          .d_gain = full_row,
                          .d_bias = full_row,
                          .d_y = half,
                          .x = half,
                          .gain = half_row,
                          .mean = full_row,
                          .rstd = full_row};
  EXPECT_EQ(error_of(op), "");
  op.d_bias = half_row;
  EXPECT_EQ(error_of(op), "d_bias is bf16 (2), wanted f32 (2)");
  op.d_gain = half_row;
  EXPECT_EQ(error_of(op), "");
  op.rstd = half_row;
  EXPECT_EQ(error_of(op), "rstd is bf16 (2), wanted f32 (2)");
}

TEST(Operands, CountInBytesOfTheirTypes) {
  std::vector<float> memory(24);
  const auto bytes = [&](DType dtype) {
    const Tensor y(memory.data(), {4, 6}, dtype);
    return cost(Gelu{.y = y, .x = y}).bytes;
  };
  EXPECT_EQ(bytes(DType::kF32), 2 * 24 * 4);
  EXPECT_EQ(bytes(DType::kBf16), 2 * 24 * 2);
  EXPECT_EQ(bytes_of(Tensor()), 0);
}

}  // namespace
}  // namespace dure::kernels
