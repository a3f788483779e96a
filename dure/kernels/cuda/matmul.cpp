// The product by cuBLASLt, and what is done about types that it does not take.
#include "dure/kernels/matmul.h"

#include <algorithm>

#include "dure/kernels/cuda/cublaslt_product.h"

namespace dure::kernels {
namespace {

struct Sizes {
  std::int64_t M;
  std::int64_t N;
  std::int64_t K;
};

Sizes sizes_of(const MatMul& op) {
  const int depth = op.transpose_a == Transpose::kYes ? 0 : 1;
  return {op.y.shape()[0], op.y.shape()[1], op.a.shape()[depth]};
}

MatrixBlock block_of(const ConstTensor& x) {
  return x ? MatrixBlock(x) : MatrixBlock();
}
MatrixBlock row_of(const ConstTensor& bias) {
  return bias ? MatrixBlock(bias.reshaped({1, bias.elements()}))
              : MatrixBlock();
}

bool are_operands_alike(const MatMul& op) {
  return op.a.dtype() == op.b.dtype();
}

bool has_type_of_y(const MatMul& op, const ConstTensor& addend) {
  return !addend || addend.dtype() == op.y.dtype();
}

// Whether the sums of products can be made where y is: in f32, or in registers
// of one product, which rounds them.
bool can_sum_in_y(const MatMul& op) {
  return op.y.dtype() == DType::kF32 ||
         (are_operands_alike(op) && op.a.dtype() == op.y.dtype());
}

// A bias of 16 bits beside a y of f32 is the usual one of a layer that writes
// the residual stream: it is widened first.
bool can_widen_bias(const MatMul& op) {
  return op.y.dtype() == DType::kF32 && op.bias &&
         op.bias.elements() <= kStagedFloats;
}

bool is_one_product(const MatMul& op) {
  return are_operands_alike(op) && can_sum_in_y(op) &&
         has_type_of_y(op, op.residual) &&
         (has_type_of_y(op, op.bias) || can_widen_bias(op));
}

const std::byte* bias_for(Stream& stream, const MatMul& op) {
  const MatrixBlock bias = row_of(op.bias);
  if (has_type_of_y(op, op.bias)) {
    return bias.first;
  }
  const MatrixBlock widened(
      staging_of(stream).operand, DType::kF32, {1, bias.columns});
  write_sum(stream, {.y = widened, .sums = bias});
  return widened.first;
}

void multiply_at_once(Stream& stream, const MatMul& op) {
  const MatrixBlock y(op.y);
  multiply(stream,
           {.y = y,
            .a = MatrixBlock(op.a),
            .b = MatrixBlock(op.b),
            .transpose_a = op.transpose_a,
            .transpose_b = op.transpose_b,
            .bias = bias_for(stream, op),
            .addend = op.write == Write::kAdd ? y.first
                                              : block_of(op.residual).first});
}

// The sizes of the parts that a product is cut into: of an operand that is
// widened, and of sums in f32 that y cannot hold, so much as the staging holds.
constexpr Sizes kPart = {1024, 2048, 1024};
static_assert(kPart.M * kPart.K <= kStagedFloats &&
              kPart.K * kPart.N <= kStagedFloats &&
              kPart.M * kPart.N <= kStagedFloats);

Sizes part_of(const MatMul& op) {
  const Sizes all = sizes_of(op);
  return {are_operands_alike(op) && can_sum_in_y(op) ? all.M : kPart.M,
          are_operands_alike(op) && can_sum_in_y(op) ? all.N : kPart.N,
          are_operands_alike(op) ? all.K : kPart.K};
}

struct Range {
  std::int64_t first;
  std::int64_t count;
};

// Calls body for the ranges of at most `part` that [0, all) is cut into.
template <typename Body>
void for_each_part(std::int64_t all, std::int64_t part, const Body& body) {
  for (std::int64_t first = 0; first < all; first += part) {
    body(Range{first, std::min(part, all - first)});
  }
}

// An operand's part, in f32 if the other operand is.
MatrixBlock operand_part(Stream& stream,
                         const ConstTensor& operand,
                         Range rows,
                         Range columns,
                         DType wanted) {
  const MatrixBlock part = MatrixBlock(operand).at(
      rows.first, columns.first, rows.count, columns.count);
  if (part.dtype == wanted) {
    return part;
  }
  const MatrixBlock widened(
      staging_of(stream).operand, wanted, {part.rows, part.columns});
  write_sum(stream, {.y = widened, .sums = part});
  return widened;
}

// sums = [sums +] the products of the rows and columns, over all of K.
void sum_products(Stream& stream,
                  const MatMul& op,
                  const MatrixBlock& sums,
                  Range rows,
                  Range columns,
                  Write write) {
  const DType type = are_operands_alike(op) ? op.a.dtype() : DType::kF32;
  for_each_part(sizes_of(op).K, part_of(op).K, [&](Range depth) {
    const bool ta = op.transpose_a == Transpose::kYes;
    const bool tb = op.transpose_b == Transpose::kYes;
    const bool adds = write == Write::kAdd || depth.first > 0;
    multiply(
        stream,
        {.y = sums,
         .a = operand_part(
             stream, op.a, ta ? depth : rows, ta ? rows : depth, type),
         .b = operand_part(
             stream, op.b, tb ? columns : depth, tb ? depth : columns, type),
         .transpose_a = op.transpose_a,
         .transpose_b = op.transpose_b,
         .addend = adds ? sums.first : nullptr});
  });
}

template <typename Body>
void for_each_block(const MatMul& op, const Body& body) {
  const auto [M, N, K] = sizes_of(op);
  for_each_part(M, part_of(op).M, [&, N = N](Range rows) {
    for_each_part(
        N, part_of(op).N, [&](Range columns) { body(rows, columns); });
  });
}

// y of f32 takes its addends first, and then the products.
void sum_in_y(Stream& stream, const MatMul& op) {
  const MatrixBlock y(op.y);
  Write write = op.write;
  if (op.bias || op.residual) {
    write_sum(
        stream,
        {.y = y, .bias = row_of(op.bias), .residual = block_of(op.residual)});
    write = Write::kAdd;
  }
  for_each_block(op, [&](Range rows, Range columns) {
    sum_products(stream,
                 op,
                 y.at(rows.first, columns.first, rows.count, columns.count),
                 rows,
                 columns,
                 write);
  });
}

// The sums of a block of y are made in f32 beside it.
void sum_beside_y(Stream& stream, const MatMul& op) {
  const MatrixBlock residual =
      block_of(op.write == Write::kAdd ? ConstTensor(op.y) : op.residual);
  for_each_block(op, [&](Range rows, Range columns) {
    const auto block = [&](const MatrixBlock& of) {
      return of.at(rows.first, columns.first, rows.count, columns.count);
    };
    const MatrixBlock sums(
        staging_of(stream).sums, DType::kF32, {rows.count, columns.count});
    sum_products(stream, op, sums, rows, columns, Write::kOverwrite);
    write_sum(stream,
              {.y = block(MatrixBlock(op.y)),
               .sums = sums,
               .bias = op.bias ? row_of(op.bias).at(
                                     0, columns.first, 1, columns.count)
                               : MatrixBlock(),
               .residual = residual.first != nullptr ? block(residual)
                                                     : MatrixBlock()});
  });
}

}  // namespace

void run(OnCuda, Stream& stream, const MatMul& op) {
  const auto [M, N, K] = sizes_of(op);
  if (M == 0 || N == 0 || (K == 0 && op.write == Write::kAdd)) {
    return;
  }
  if (K == 0) {
    return write_sum(stream,
                     {.y = MatrixBlock(op.y),
                      .bias = row_of(op.bias),
                      .residual = block_of(op.residual)});
  }
  if (is_one_product(op)) {
    multiply_at_once(stream, op);
  } else if (op.y.dtype() == DType::kF32) {
    sum_in_y(stream, op);
  } else {
    sum_beside_y(stream, op);
  }
}

}  // namespace dure::kernels
