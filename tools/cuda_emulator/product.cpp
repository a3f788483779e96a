#include "tools/cuda_emulator/product.h"

#include <algorithm>
#include <bit>
#include <vector>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace cuda_emulator {
namespace {

using Floats = std::vector<float>;

float load(const ProductMatrix& from, std::int64_t i) {
  switch (from.type) {
    case CUDA_R_16BF:
      return __bfloat162float(
          reinterpret_cast<const __nv_bfloat16*>(from.first)[i]);
    case CUDA_R_16F:
      return __half2float(reinterpret_cast<const __half*>(from.first)[i]);
    default:
      return reinterpret_cast<const float*>(from.first)[i];
  }
}

void store(const ProductMatrix& to, std::int64_t i, float value) {
  switch (to.type) {
    case CUDA_R_16BF:
      reinterpret_cast<__nv_bfloat16*>(to.first)[i] =
          __float2bfloat16_rn(value);
      break;
    case CUDA_R_16F:
      reinterpret_cast<__half*>(to.first)[i] = __float2half_rn(value);
      break;
    default:
      reinterpret_cast<float*>(to.first)[i] = value;
  }
}

float rounded(cudaDataType_t type, float value) {
  alignas(float) char memory[sizeof value];
  const ProductMatrix one = {.first = memory, .type = type};
  store(one, 0, value);
  return load(one, 0);
}

// The nearest number with 10 bits of fraction; of two the larger in size [PTX
// documentation, cvt.rna.tf32.f32]. Infinities and NaNs keep their exponent.
float rounded_to_tf32(float value) {
  constexpr std::uint32_t kDropped = 0x1fff;
  constexpr std::uint32_t kExponent = 0x7f800000;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const bool is_finite = (bits & kExponent) != kExponent;
  return is_finite
             ? std::bit_cast<float>((bits + (kDropped + 1) / 2) & ~kDropped)
             : value;
}

// A matrix in f32 whose columns are one after another, or its rows.
Floats packed(const ProductMatrix& from, bool by_rows, bool reads_tf32) {
  Floats to(static_cast<std::size_t>(from.rows * from.columns));
  for (std::int64_t column = 0; column < from.columns; ++column) {
    for (std::int64_t row = 0; row < from.rows; ++row) {
      const std::int64_t at =
          by_rows ? row * from.columns + column : column * from.rows + row;
      const float value = load(from, column * from.step + row);
      to[static_cast<std::size_t>(at)] =
          reads_tf32 ? rounded_to_tf32(value) : value;
    }
  }
  return to;
}

// So many products are added up before the sum is added to the others.
std::int64_t chunk_of(const Product& product, std::int64_t depth) {
  const auto mixed = static_cast<std::uint64_t>(
      product.d.rows * 31 + product.d.columns * 17 + depth * 7 +
      product.a.type * 5 + product.d.type * 3 + (product.transpose_a ? 1 : 0) +
      (product.transpose_b ? 2 : 0) + product.order * 13);
  return std::int64_t{16} << Random(mixed).below(4);
}

// The operands, packed.
struct Work {
  const Product& product;
  const Floats& a;  // (depth, rows)
  const Floats& b;  // (columns, depth)
  std::int64_t depth;

  void add_products(std::int64_t column,
                    std::int64_t first,
                    std::int64_t last,
                    float* sums) const {
    const std::int64_t rows = product.d.rows;
    for (std::int64_t k = first; k < last; ++k) {
      const float* const terms = a.data() + k * rows;
      const float factor = b[static_cast<std::size_t>(column * depth + k)];
      for (std::int64_t row = 0; row < rows; ++row) {
        sums[row] += terms[row] * factor;
      }
    }
  }
};

// What is added to a sum of products: beta c, and the bias.
float finished(const Product& product,
               std::int64_t row,
               std::int64_t column,
               float sum) {
  float value = product.alpha * sum;
  if (product.beta != 0) {
    value += product.beta * load(product.c, column * product.c.step + row);
  }
  if (product.bias != nullptr) {
    ProductMatrix bias = product.d;
    bias.first = const_cast<char*>(product.bias);
    value += load(bias, row);
  }
  return value;
}

void write_column(const Product& product,
                  std::int64_t column,
                  const Floats& sums) {
  for (std::int64_t row = 0; row < product.d.rows; ++row) {
    store(product.d,
          column * product.d.step + row,
          finished(product, row, column, sums[static_cast<std::size_t>(row)]));
  }
}

}  // namespace

std::size_t size_of(cudaDataType_t type) {
  return type == CUDA_R_32F ? 4 : 2;
}

std::size_t ProductMatrix::bytes() const {
  return static_cast<std::size_t>((columns - 1) * step + rows) * size_of(type);
}

void multiply(const Product& product) {
  const Floats a = packed(product.a, product.transpose_a, product.reads_tf32);
  const Floats b = packed(product.b, product.transpose_b, product.reads_tf32);
  const std::int64_t depth =
      product.transpose_a ? product.a.rows : product.a.columns;
  const std::int64_t chunk = chunk_of(product, depth);
  const Work work = {product, a, b, depth};
  Floats total(static_cast<std::size_t>(product.d.rows));
  Floats partial(total.size());
  for (std::int64_t column = 0; column < product.d.columns; ++column) {
    std::ranges::fill(total, 0.0F);
    for (std::int64_t first = 0; first < depth; first += chunk) {
      std::ranges::fill(partial, 0.0F);
      work.add_products(
          column, first, std::min(first + chunk, depth), partial.data());
      for (std::size_t row = 0; row < total.size(); ++row) {
        total[row] += partial[row];
        if (product.reduction == Reduction::kInTheResult) {
          total[row] = rounded(product.d.type, total[row]);
        }
      }
    }
    write_column(product, column, total);
  }
}

}  // namespace cuda_emulator
