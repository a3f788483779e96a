// The arithmetic of an emulated cublasLtMatmul().
#pragma once

#include <cstddef>
#include <cstdint>
#include <library_types.h>

#include "tools/cuda_emulator/random.h"

namespace cuda_emulator {

// A matrix in memory, by columns, as cuBLAS has them.
struct ProductMatrix {
  char* first = nullptr;
  cudaDataType_t type = CUDA_R_32F;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t step = 0;  // elements from a column to the next one

  std::size_t bytes() const;  // from its first element to its last
};

enum class Reduction : std::uint8_t {
  kInF32,        // partial sums are kept in f32
  kInTheResult,  // each is rounded to d's type when it is added
};

// d = alpha op(a) op(b) + beta c [+ bias], where op transposes if told to.
struct Product {
  ProductMatrix a;
  ProductMatrix b;
  ProductMatrix c;  // not read if beta is 0
  ProductMatrix d;
  const char* bias = nullptr;  // of d's type, one for each row of d
  bool transpose_a = false;
  bool transpose_b = false;
  bool reads_tf32 = false;  // of a's and b's fractions the first 10 bits count
  float alpha = 1;
  float beta = 0;
  Reduction reduction = Reduction::kInF32;
  std::uint32_t order = 0;  // of the sums, one for each algorithm
};

std::size_t size_of(cudaDataType_t type);

// Sums in f32. Their order depends on the algorithm, the shape, the types and
// what is transposed, as it does on a device, but not on the seed.
void multiply(const Product& product);

}  // namespace cuda_emulator
