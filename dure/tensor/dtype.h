// Element types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dure/base/half.h"

namespace dure {

enum class DType : std::uint8_t {
  kF32,
  kF64,
  kBf16,
  kF16,
  kI32,
  kI64,
  kU16,
  kU8,
};

constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kBf16:
    case DType::kF16:
    case DType::kU16:
      return 2;
    case DType::kU8:
      break;
  }
  return 1;
}

constexpr const char* name_of(DType dtype) {
  constexpr const char* kNames[] = {
      "f32", "f64", "bf16", "f16", "i32", "i64", "u16", "u8"};
  return kNames[static_cast<int>(dtype)];
}

constexpr bool is_half(DType dtype) {
  return dtype == DType::kBf16 || dtype == DType::kF16;
}

// Whether operations can compute on it.
constexpr bool is_f32_or_half(DType dtype) {
  return dtype == DType::kF32 || is_half(dtype);
}

// The DType of a C++ type.
template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) {
    return DType::kF32;
  } else if constexpr (std::is_same_v<T, double>) {
    return DType::kF64;
  } else if constexpr (std::is_same_v<T, Bf16>) {
    return DType::kBf16;
  } else if constexpr (std::is_same_v<T, F16>) {
    return DType::kF16;
  } else if constexpr (std::is_same_v<T, std::int32_t>) {
    return DType::kI32;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return DType::kI64;
  } else if constexpr (std::is_same_v<T, std::uint16_t>) {
    return DType::kU16;
  } else {
    static_assert(std::is_same_v<T, std::uint8_t>);
    return DType::kU8;
  }
}

}  // namespace dure
