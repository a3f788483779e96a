// Products by cuBLASLt, where it takes the types as they are:
//
//   y = op(a) op(b)  [+ bias]  [+ addend]
//
// a and b have one type; y has that type or f32; bias and addend have y's
// [cuBLAS documentation, cublasLtMatmul(), table of types]. Sums are in f32,
// without TF32, and each element of y is rounded once.
//
// Deterministic: an algorithm that splits K adds the parts in f32, in its
// workspace and in a fixed order (CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE).
// Which algorithm multiplies hangs on the ProductKey alone, so products of one
// key have the same bits on the same device and version of cuBLASLt. The
// products of different keys may add in different orders: a row's bits do hang
// on how many others are multiplied with it.
#pragma once

#include <array>
#include <compare>
#include <map>

#include <cublasLt.h>

#include "dure/kernels/cuda/matmul_addends.h"
#include "dure/kernels/matmul.h"

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

// All that an algorithm is chosen by.
struct ProductKey {
  std::array<std::int64_t, 3> sizes = {};  // M, N, K
  std::array<std::int64_t, 3> steps = {};  // of y, a, b
  DType y = DType::kF32;
  DType operands = DType::kF32;
  Transpose transpose_a = Transpose::kNo;
  Transpose transpose_b = Transpose::kNo;
  // In bytes, of y, a, b, bias and addend: the largest powers of two, but at
  // most 16, so that where in an arena a tensor lies changes no bits. 0: it is
  // absent.
  std::array<std::uint8_t, 5> alignments = {};

  auto operator<=>(const ProductKey&) const = default;
};
ProductKey key_of(const LtProduct& product);

struct ProductChoice {
  cublasLtMatmulAlgo_t algorithm = {};
  std::size_t workspace_bytes = 0;
};

// The chosen algorithms. A product whose key is not here takes the one that
// cuBLASLt recommends, and enters it; measured ones are entered before.
using ProductChoices = std::map<ProductKey, ProductChoice>;
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
