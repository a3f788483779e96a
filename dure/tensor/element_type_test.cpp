#include "dure/tensor/element_type.h"

#include <fmt/core.h>
#include <string>

#include <gtest/gtest.h>

namespace dure {
namespace {

constexpr DType kTypes[] = {DType::kF32,
                            DType::kF64,
                            DType::kBf16,
                            DType::kF16,
                            DType::kI32,
                            DType::kI64,
                            DType::kU16,
                            DType::kU8};

TEST(ElementType, IsTheOneThatTheEnumeratorNames) {
  for (const DType dtype : kTypes) {
    with_type(dtype, [&](auto element) {
      EXPECT_EQ(dtype_of<decltype(element)>(), dtype);
      EXPECT_EQ(sizeof(element), size_of(dtype));
    });
  }
}

TEST(ElementType, OfOperationsIsAFloatOfAtMost32Bits) {
  for (const DType dtype : kTypes) {
    const auto type_of = [&] {
      return with_float_type(
          dtype, [](auto element) { return dtype_of<decltype(element)>(); });
    };
    if (is_f32_or_half(dtype)) {
      EXPECT_EQ(type_of(), dtype);
    } else {
      EXPECT_THROW(type_of(), Error);
    }
  }
}

TEST(ElementType, OfTwoIsEachItsOwn) {
  with_float_types(DType::kBf16, DType::kF32, [](auto first, auto second) {
    EXPECT_EQ(dtype_of<decltype(first)>(), DType::kBf16);
    EXPECT_EQ(dtype_of<decltype(second)>(), DType::kF32);
  });
}

std::string pair_of(DType dtype, DType other) {
  return fmt::format("{} {}", name_of(dtype), name_of(other));
}

// Both helpers call once, with the types asked for, or throw.
TEST(ElementType, OfTwoIsOfFewPairsWhereOthersMakeNoSense) {
  std::string called;
  const auto call = [&](auto element, auto other) {
    called +=
        pair_of(dtype_of<decltype(element)>(), dtype_of<decltype(other)>());
  };
  const auto calls_or_throws =
      [&](bool takes, const auto& with, DType dtype, DType other) {
        SCOPED_TRACE(pair_of(dtype, other));
        called.clear();
        if (takes) {
          with(dtype, other, call);
          EXPECT_EQ(called, pair_of(dtype, other));
        } else {
          EXPECT_THROW(with(dtype, other, call), Error);
          EXPECT_EQ(called, "");
        }
      };
  for (const DType dtype : kTypes) {
    for (const DType other : kTypes) {
      const bool floats = is_f32_or_half(dtype) && is_f32_or_half(other);
      const bool same_or_f32 = other == dtype || other == DType::kF32;
      calls_or_throws(
          floats && same_or_f32,
          [](auto... args) { with_type_or_f32(args...); },
          dtype,
          other);
      calls_or_throws(
          floats && (same_or_f32 || dtype == DType::kF32),
          [](auto... args) { with_one_half_type(args...); },
          dtype,
          other);
    }
  }
}

}  // namespace
}  // namespace dure
