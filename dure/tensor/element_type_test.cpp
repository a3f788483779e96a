#include "dure/tensor/element_type.h"

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

}  // namespace
}  // namespace dure
