// Helpers for the operations' check() and cost().
#pragma once

#include <cstddef>

#include "dure/base/check.h"
#include "dure/tensor/tensor.h"

namespace dure::kernels {

// The type of an operation's elements, which this operand has. Throws Error if
// the operation has no arithmetic for it.
template <typename Op>
DType float_type(const Op& /*op*/, const ConstTensor& operand) {
  const DType dtype = operand.dtype();
  DURE_CHECK(is_f32_or_half(dtype),
             "{} takes f32, bf16 or f16, got {}",
             Op::kName,
             name_of(dtype));
  return dtype;
}

// The type of an operand that is stored as the operation's elements are, or in
// f32: what is of the residual stream. Throws Error for another.
template <typename Op>
DType same_or_f32(const Op& /*op*/,
                  const char* name,
                  const ConstTensor& operand,
                  DType elements) {
  DURE_CHECK(operand.dtype() == elements || operand.dtype() == DType::kF32,
             "{} takes {} in {}{}, got {}",
             Op::kName,
             name,
             name_of(elements),
             elements == DType::kF32 ? "" : " or f32",
             name_of(operand.dtype()));
  return operand.dtype();
}

// The type of an operand beside another: if both have 16 bits they are the
// same. Throws Error if they differ.
template <typename Op>
DType same_if_half(const Op& op,
                   const char* name,
                   const ConstTensor& operand,
                   DType other) {
  return is_half(other) ? same_or_f32(op, name, operand, other)
                        : float_type(op, operand);
}

// The type for operations on f32 alone.
template <typename Op>
DType only_f32(const Op& /*op*/, const ConstTensor& operand) {
  DURE_CHECK(operand.dtype() == DType::kF32,
             "{} takes f32, got {}",
             Op::kName,
             name_of(operand.dtype()));
  return DType::kF32;
}

// The bytes of all of them together; an absent optional operand has none.
template <typename... Tensors>
double bytes_of(const Tensors&... tensors) {
  return static_cast<double>((tensors.size_bytes() + ... + std::size_t{0}));
}

}  // namespace dure::kernels
