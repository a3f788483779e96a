// From an element type that is known when running to one known when compiling.
#pragma once

#include <cstdint>

#include "dure/base/check.h"
#include "dure/base/half.h"
#include "dure/tensor/dtype.h"

namespace dure {

// Calls `call` with a value of the type, and returns its result.
template <typename Call>
auto with_type(DType dtype, const Call& call) {
  switch (dtype) {  // NOLINTBEGIN(bugprone-branch-clone): the types differ
    case DType::kF64:
      return call(double());
    case DType::kBf16:
      return call(Bf16());
    case DType::kF16:
      return call(F16());
    case DType::kI32:
      return call(std::int32_t());
    case DType::kI64:
      return call(std::int64_t());
    case DType::kU16:
      return call(std::uint16_t());
    case DType::kU8:
      return call(std::uint8_t());
    case DType::kF32:
      break;
  }  // NOLINTEND(bugprone-branch-clone)
  return call(float());
}

// Does this for the types that operations compute on: float, Bf16 and F16.
// Throws Error for any other.
//
//   with_float_type(x.dtype(), [&](auto element) {
//     double_all(x.data<decltype(element)>());
//   });
template <typename Call>
auto with_float_type(DType dtype, const Call& call) {
  DURE_CHECK(
      is_f32_or_half(dtype), "wanted f32, bf16 or f16, got {}", name_of(dtype));
  return dtype == DType::kBf16  ? call(Bf16())
         : dtype == DType::kF16 ? call(F16())
                                : call(float());
}

// Does this for a type and one that is the same or f32: call(element, other).
// These are five pairs. Throws Error for any other pair.
template <typename Call>
void with_type_or_f32(DType dtype, DType other_dtype, const Call& call) {
  DURE_CHECK(other_dtype == dtype || other_dtype == DType::kF32,
             "wanted {} or f32 beside {}, got {}",
             name_of(dtype),
             name_of(dtype),
             name_of(other_dtype));
  with_float_type(dtype, [&](auto element) {
    if (other_dtype == DType::kF32) {
      call(element, float());
    } else {
      call(element, element);
    }
  });
}

// Does this for two types of which at least one is f32 unless they are the
// same: call(element, other). These are seven pairs. Throws Error for any
// other.
template <typename Call>
void with_one_half_type(DType dtype, DType other_dtype, const Call& call) {
  if (is_half(other_dtype)) {
    with_type_or_f32(other_dtype, dtype, [&](auto other, auto element) {
      call(element, other);
    });
  } else {
    with_type_or_f32(dtype, other_dtype, call);
  }
}

// Does this for two types, in all nine pairs: call(element, other).
template <typename Call>
void with_float_types(DType dtype, DType other_dtype, const Call& call) {
  with_float_type(dtype, [&](auto element) {
    with_float_type(other_dtype, [&](auto other) { call(element, other); });
  });
}

}  // namespace dure
