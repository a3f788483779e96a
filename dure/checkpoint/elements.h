// Elements of a file: from one float type to another, transposed, as numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dure/checkpoint/safetensors.h"

namespace dure::checkpoint {

// Whether convert() knows it: F64, F32, F16, BF16.
bool is_float(FileDtype dtype);

// out[i] = in[i], rounded to nearest even where `to` is shorter (F64 by way of
// F32); bit for bit where the types are the same. The buffers need no
// alignment, and their sizes must fit one number of elements. Error for what
// isn't a float type, except from a type to itself.
void convert(FileDtype from,
             std::span<const std::byte> in,
             FileDtype to,
             std::span<std::byte> out);

// out (columns, rows) = in (rows, columns) transposed.
void transpose(std::span<const std::byte> in,
               std::int64_t rows,
               std::int64_t columns,
               std::size_t element_bytes,
               std::span<std::byte> out);

// A float tensor's values as float (F64 rounds).
std::vector<float> to_floats(const TensorEntry& entry);

// An integer or BOOL tensor's values. Error where a U64 exceeds 2^63 - 1.
std::vector<std::int64_t> to_integers(const TensorEntry& entry);

}  // namespace dure::checkpoint
