// The simple operations: fill, copy, add, and initial values.
#pragma once

#include "dure/base/random.h"
#include "dure/kernels/op.h"

namespace dure::kernels {

// y = value
struct Fill {
  static constexpr const char* kName = "fill";
  Tensor y;  // any shape   overwritten
  float value = 0;

  static void visit(auto& op, auto&& tensors) { tensors(op.y); }
};

void check(const Fill& op);
Cost cost(const Fill& op);
void run(OnCpu, Stream& stream, const Fill& op);
void run(OnCuda, Stream& stream, const Fill& op);

// y = x, of any type; if the types differ, which are then of floats, a cast.
struct Copy {
  static constexpr const char* kName = "copy";
  Tensor y;       // any shape   overwritten
  ConstTensor x;  // as y

  static void visit(auto& op, auto&& tensors) { tensors(op.y, op.x); }
};

void check(const Copy& op);
Cost cost(const Copy& op);
void run(OnCpu, Stream& stream, const Copy& op);
void run(OnCuda, Stream& stream, const Copy& op);

// y = a + b, rounded once
struct Add {
  static constexpr const char* kName = "add";
  Tensor y;       // any shape   overwritten; may be a, or b if the types agree
  ConstTensor a;  // as y
  ConstTensor b;  // as y        of y's type, or one of them is f32

  static void visit(auto& op, auto&& tensors) { tensors(op.y, op.a, op.b); }
};

void check(const Add& op);
Cost cost(const Add& op);
void run(OnCpu, Stream& stream, const Add& op);
void run(OnCuda, Stream& stream, const Add& op);

// y[i] = deviation * stream.normal(global index of i), for initial weights. y
// is the block of rows [first_row, first_row + N) and columns [first_column,
// first_column + C) of a matrix with `columns` columns; the global index is row
// * columns + column. Rows from `filled_rows` on (global) are 0: the padding of
// a vocabulary.
struct FillNormal {
  static constexpr const char* kName = "fill_normal";
  Tensor y;  // (N, C)   overwritten
  RandomStream stream{0, ""};
  float standard_deviation = 1;
  std::int64_t first_row = 0;
  std::int64_t first_column = 0;
  std::int64_t columns = 0;
  std::int64_t filled_rows = 0;

  static void visit(auto& op, auto&& tensors) { tensors(op.y); }
};

void check(const FillNormal& op);
Cost cost(const FillNormal& op);
void run(OnCpu, Stream& stream, const FillNormal& op);
void run(OnCuda, Stream& stream, const FillNormal& op);

}  // namespace dure::kernels
