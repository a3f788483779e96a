// Products by cuBLASLt, where it takes the types as they are:
//
//   y = op(a) op(b)  [+ bias]  [+ addend]
//
// a and b have one type; y has that type or f32; bias and addend have y's
// [cuBLAS documentation, cublasLtMatmul(), table of types]. Sums are in f32,
// and each element of y is rounded once. Operands of f32 are read as the
// stream's f32_product() says.
//
// Deterministic: an algorithm that splits K adds the parts in f32, in its
// workspace and in a fixed order (CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE).
// Which algorithm multiplies hangs on the ProductKey and the stream's table
// alone, so products of one key have the same bits on the same device and
// version of cuBLASLt. The products of different keys may add in different
// orders: a row's bits do hang on how many others are multiplied with it.
#pragma once

#include <cublasLt.h>

#include "dure/kernels/cuda/matmul_addends.h"
#include "dure/kernels/matmul.h"
#include "dure/kernels/product_table.h"

namespace dure::kernels {

// Throws Error with the function's name and cuBLASLt's own text.
void check_cublas(cublasStatus_t status, const char* function);

struct LtProduct {
  MatrixBlock y;  // (M, N)
  MatrixBlock a;  // (M, K), or (K, M) with transpose_a
  MatrixBlock b;  // (K, N), or (N, K) with transpose_b
  Transpose transpose_a = Transpose::kNo;
  Transpose transpose_b = Transpose::kNo;
  const std::byte* bias = nullptr;  // (N), optional
  const std::byte* addend =
      nullptr;  // (M, N) with y's step, optional; may be y
};

ProductKey key_of(const LtProduct& product,
                  F32Product f32_product = F32Product::kF32);

// The stream's choices so far. A product whose key is not here takes that of
// the stream's ProductTable, if it has one, which enters the fastest of what
// cuBLASLt offers where it has none. Without a table it takes the first that
// cuBLASLt recommends.
ProductChoices& product_choices(Stream& stream);

void multiply(Stream& stream, const LtProduct& product);

// Memory of the device for parts of operands and of sums in f32, one of each a
// stream. A launch may overwrite what the last one left.
inline constexpr std::int64_t kStagedFloats = std::int64_t{2} << 20;
struct Staging {
  float* operand = nullptr;  // kStagedFloats each
  float* sums = nullptr;
};
Staging staging_of(Stream& stream);

}  // namespace dure::kernels
