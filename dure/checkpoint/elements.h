// Elements of a file: converted between float types, transposed, and read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dure/checkpoint/safetensors.h"

namespace dure::checkpoint {

// Whether convert() knows the type: F64, F32, F16, BF16.
bool is_float(FileDtype dtype);

// The finite values that the new type does not hold.
struct Rounding {
  std::int64_t overflowed = 0;  // are infinite now
  std::int64_t below_f32 = 0;   // are not 0, but would be in F32
  std::int64_t vanished = 0;    // are not 0 in F32, but in the new type
  double largest = 0;           // size of any; 0 where the new type holds all
};

// out[i] = in[i], rounded to nearest even if `to` is shorter (F64 by way of
// F32), and bit for bit if the types are the same. The buffers need no
// alignment, and their sizes must fit one number of elements. Throws Error for
// other than float types, except from a type to itself.
Rounding convert(FileDtype from,
                 std::span<const std::byte> in,
                 FileDtype to,
                 std::span<std::byte> out);

// Does this for a tensor with a name, and throws Error if a value overflowed or
// is below F32. Returns how many vanished.
std::int64_t convert(const TensorEntry& entry,
                     FileDtype to,
                     std::span<std::byte> out);

// How many of the values of a float type are NaN or infinite.
std::int64_t count_nonfinite(FileDtype dtype, std::span<const std::byte> bytes);

// out (columns, rows) = in (rows, columns) transposed.
void transpose(std::span<const std::byte> in,
               std::int64_t rows,
               std::int64_t columns,
               std::size_t element_bytes,
               std::span<std::byte> out);

// A float tensor's values as float. Throws Error if F32 can't hold a value of
// F64.
std::vector<float> to_floats(const TensorEntry& entry);

}  // namespace dure::checkpoint
