// Matrix product with a fused epilogue.
//
//   y = op(a) op(b)  [+ bias]  [+ residual]        Write::kOverwrite
//   y = y + op(a) op(b)                            Write::kAdd
//
// op(x) is x or its transpose. A linear layer with weight w of (out, in) is {y,
// a = x, b = w, transpose_b}. Its input's gradient is {d_x, a = d_y, b = w},
// its weight's {d_w, a = d_y, b = x, transpose_a}.
//
// Types: each operand is f32 or 16-bit, all 16-bit ones either bf16 or f16.
// Products and sums are in f32, with the bits that f32 operands of the same
// values have, and each element of y is rounded once.
#pragma once

#include "dure/kernels/op.h"

namespace dure::kernels {

// How a GPU multiplies two operands of f32. kTf32: it reads 11 significant bits
// of each number, rounded to the nearest; sums stay in f32. A product of f32
// has an error of 2^-10 sum_k |a[i,k] b[k,j]| more, at most.
enum class F32Product : std::uint8_t { kF32, kTf32 };

// The stream's, which may be set. Other devices multiply all bits.
inline F32Product& f32_product(Stream& stream) {
  struct Choice {
    F32Product product = F32Product::kF32;
  };
  return stream.kept<Choice>().product;
}

enum class Transpose : std::uint8_t { kNo, kYes };

struct MatMul {
  static constexpr const char* kName = "matmul";
  Tensor y;                   // (M, N)
  ConstTensor a;              // (M, K), or (K, M) with transpose_a
  ConstTensor b;              // (K, N), or (N, K) with transpose_b
  ConstTensor bias = {};      // (N), optional
  ConstTensor residual = {};  // (M, N), optional; may be y
  Transpose transpose_a = Transpose::kNo;
  Transpose transpose_b = Transpose::kNo;
  Write write = Write::kOverwrite;  // kAdd: without bias and residual

  static void visit(auto& op, auto&& tensors) {
    tensors(op.y, op.a, op.b, op.bias, op.residual);
  }
};

void check(const MatMul& op);
Cost cost(const MatMul& op);
void run(OnCpu, Stream& stream, const MatMul& op);
void run(OnCuda, Stream& stream, const MatMul& op);

// A sum over rows: the gradient of a bias.
//
//   y[c] = sum_n x[n,c]    (or added to y)
struct ColumnSum {
  static constexpr const char* kName = "column_sum";
  Tensor y;       // (C)   of x's type, or one of them is f32
  ConstTensor x;  // (N, C)
  Write write = Write::kOverwrite;

  static void visit(auto& op, auto&& tensors) { tensors(op.y, op.x); }
};

void check(const ColumnSum& op);
Cost cost(const ColumnSum& op);
void run(OnCpu, Stream& stream, const ColumnSum& op);
void run(OnCuda, Stream& stream, const ColumnSum& op);

}  // namespace dure::kernels
