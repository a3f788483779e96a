#include "dure/kernels/operands.h"

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/half.h"
#include "dure/kernels/activation.h"
#include "dure/kernels/attention.h"
#include "dure/kernels/dropout.h"
#include "dure/kernels/elementwise.h"
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
  EXPECT_EQ(error_of(MatMul{.y = half, .a = half, .b = half}), "");
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

// At the seam of layers and residual stream there are the compute type and f32.
TEST(Operands, OfTheResidualStreamAreOfTheComputeTypeOrF32) {
  std::vector<float> memory(8);
  const auto matrix = [&](DType dtype) {
    return Tensor(memory.data(), {2, 2}, dtype);
  };
  const auto row = [&](DType dtype) {
    return Tensor(memory.data(), {2}, dtype);
  };
  constexpr DType kF32 = DType::kF32;
  constexpr DType kBf16 = DType::kBf16;
  constexpr DType kF16 = DType::kF16;
  const auto norm = [&](DType compute, DType x) {
    return error_of(LayerNorm{.y = matrix(compute),
                              .mean = row(kF32),
                              .rstd = row(kF32),
                              .x = matrix(x),
                              .gain = row(compute)});
  };
  EXPECT_EQ(norm(kBf16, kF32), "");
  EXPECT_EQ(norm(kF16, kF16), "");
  EXPECT_EQ(norm(kF32, kBf16), "layer_norm takes x in f32, got bf16");
  EXPECT_EQ(norm(kBf16, kF16), "layer_norm takes x in bf16 or f32, got f16");
  LayerNormBackward op = {.d_x = matrix(kF32),
                          .d_gain = row(kF32),
                          .d_y = matrix(kBf16),
                          .x = matrix(kF32),
                          .gain = row(kBf16),
                          .mean = row(kF32),
                          .rstd = row(kF32),
                          .residual = matrix(kF32)};
  EXPECT_EQ(error_of(op), "");
  op.d_x = matrix(kBf16);
  EXPECT_EQ(error_of(op), "d_x is bf16 (2, 2), wanted f32 (2, 2)");
  op.d_x = matrix(kF32);
  op.residual = matrix(kBf16);
  EXPECT_EQ(error_of(op), "residual is bf16 (2, 2), wanted f32 (2, 2)");
  op.residual = {};
  op.d_gain = row(kF16);
  EXPECT_EQ(error_of(op),
            "layer_norm_backward takes d_gain in bf16 or f32, got f16");
  EXPECT_EQ(error_of(Dropout{.y = matrix(kF32),
                             .x = matrix(kBf16),
                             .residual = matrix(kF16),
                             .mask = {}}),
            "dropout takes residual in bf16 or f32, got f16");
  EXPECT_EQ(error_of(Add{.y = row(kBf16), .a = row(kBf16), .b = row(kF16)}),
            "add takes b in bf16 or f32, got f16");
  EXPECT_EQ(error_of(Add{.y = row(kF32), .a = row(kF32), .b = row(kF16)}), "");
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
