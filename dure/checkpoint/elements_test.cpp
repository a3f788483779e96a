#include "dure/checkpoint/elements.h"

#include <cmath>
#include <cstring>
#include <gmock/gmock.h>
#include <numeric>

#include "dure/checkpoint/scratch_folder.h"

namespace dure::checkpoint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <typename T>
std::vector<std::byte> bytes_of_values(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

// The values are exact in every float type; every pair of types is tested.
TEST(Elements, ConvertsBetweenAllFloatTypes) {
  const std::vector<float> values = {0, 1, -2.5, 0.15625, 240, -0.0F};
  const FileDtype types[] = {
      FileDtype::kF64, FileDtype::kF32, FileDtype::kF16, FileDtype::kBf16};
  for (const FileDtype from : types) {
    for (const FileDtype to : types) {
      std::vector<std::byte> a(values.size() * size_of(from));
      std::vector<std::byte> b(values.size() * size_of(to));
      convert(FileDtype::kF32, bytes_of_values(values), from, a);
      convert(from, a, to, b);
      EXPECT_EQ(to_floats({"t", to, {6}, b}), values)
          << name_of(from) << " " << name_of(to);
    }
  }
}

TEST(Elements, RoundsToNearestEven) {
  // bf16 has 8 significant bits: 257 is between 256 and 258, 259 between 258
  // and 260; ties go to the even last bit, 256 and 260.
  std::vector<std::byte> out(4);
  convert(FileDtype::kF32,
          bytes_of_values<float>({257, 259}),
          FileDtype::kBf16,
          out);
  EXPECT_THAT(to_floats({"t", FileDtype::kBf16, {2}, out}),
              ElementsAre(256, 260));
}

TEST(Elements, CountsWhatTheNewTypeDoesNotHold) {
  const auto of = [](const std::vector<double>& values, FileDtype to) {
    std::vector<std::byte> out(values.size() * size_of(to));
    return convert(FileDtype::kF64, bytes_of_values(values), to, out);
  };
  const std::vector<double> values = {
      1e300, -1e39, 7e4, 65504, 1e-9, -1e-60, 0, NAN, INFINITY};
  const Rounding f16 = of(values, FileDtype::kF16);
  EXPECT_EQ(f16.overflowed, 3);
  EXPECT_EQ(f16.vanished, 1);
  EXPECT_EQ(f16.below_f32, 1);
  EXPECT_EQ(f16.largest, 1e300);
  const Rounding f32 = of(values, FileDtype::kF32);
  EXPECT_EQ(f32.overflowed, 2);
  EXPECT_EQ(f32.vanished, 0);
  EXPECT_EQ(f32.below_f32, 1);
  EXPECT_EQ(of(values, FileDtype::kF64).overflowed, 0);
}

TEST(Elements, CountsWhatIsNotFinite) {
  const std::vector<float> values = {0, NAN, INFINITY, -INFINITY, 65504};
  for (const FileDtype type :
       {FileDtype::kF64, FileDtype::kF32, FileDtype::kF16, FileDtype::kBf16}) {
    std::vector<std::byte> bytes(values.size() * size_of(type));
    convert(FileDtype::kF32, bytes_of_values(values), type, bytes);
    EXPECT_EQ(count_nonfinite(type, bytes), 3) << name_of(type);
  }
}

TEST(Elements, OneTypeIsCopiedBitForBit) {
  const std::vector<std::byte> in(24, std::byte{0xFF});  // NaNs, or -1
  for (int i = 0; i <= static_cast<int>(FileDtype::kBool); ++i) {
    std::vector<std::byte> out(24);
    convert(static_cast<FileDtype>(i), in, static_cast<FileDtype>(i), out);
    EXPECT_EQ(in, out);
  }
}

TEST(Elements, RefusesToConvertWhatIsNoFloat) {
  std::vector<std::byte> a(4);
  EXPECT_THAT(
      error_of([&] { convert(FileDtype::kI32, a, FileDtype::kF32, a); }),
      HasSubstr("can't convert I32 to F32"));
}

TEST(Elements, TransposesEveryShapeAroundTheBlock) {
  for (const std::int64_t rows : {1, 3, 31, 32, 33, 70}) {
    for (const std::int64_t columns : {1, 5, 32, 65}) {
      std::vector<std::uint16_t> in(static_cast<std::size_t>(rows * columns));
      std::iota(in.begin(), in.end(), std::uint16_t{0});
      std::vector<std::uint16_t> out(in.size());
      transpose(std::as_bytes(std::span(in)),
                rows,
                columns,
                sizeof(std::uint16_t),
                std::as_writable_bytes(std::span(out)));
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t c = 0; c < columns; ++c) {
          ASSERT_EQ(out[c * rows + r], r * columns + c);
        }
      }
    }
  }
}

TEST(Elements, TransposingTwiceIsNothingAtEverySize) {
  const std::vector<float> in = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const auto bytes = bytes_of_values(in);
  for (const std::int64_t size : {1, 2, 4, 8}) {
    const std::int64_t columns = 48 / size / 3;
    std::vector<std::byte> once(48);
    std::vector<std::byte> twice(48);
    transpose(bytes, 3, columns, static_cast<std::size_t>(size), once);
    transpose(once, columns, 3, static_cast<std::size_t>(size), twice);
    EXPECT_EQ(twice, bytes) << size;
    EXPECT_NE(once, bytes) << size;
  }
}

}  // namespace
}  // namespace dure::checkpoint
