#include "dure/checkpoint/elements.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

#include "dure/base/check.h"
#include "dure/base/half.h"
#include "dure/base/quote.h"

namespace dure::checkpoint {
namespace {

template <typename T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

float as_float(double value) {
  return static_cast<float>(value);
}
float as_float(float value) {
  return value;
}
float as_float(F16 value) {
  return to_float(value);
}
float as_float(Bf16 value) {
  return to_float(value);
}

template <typename T>
T from_float(float value) {
  if constexpr (std::is_same_v<T, F16>) {
    return to_f16(value);
  } else if constexpr (std::is_same_v<T, Bf16>) {
    return to_bf16(value);
  } else {
    return static_cast<T>(value);
  }
}

// A larger reach goes farther from 1, in both directions.
template <typename T>
constexpr int kReach = std::is_same_v<T, double>  ? 3
                       : std::is_same_v<T, float> ? 2
                       : std::is_same_v<T, Bf16>  ? 1
                                                  : 0;

void note(Rounding& rounding, double value, float in_f32, float now) {
  const double size = std::abs(value);
  if (std::isfinite(size)) {
    rounding.largest = std::max(rounding.largest, size);
    rounding.overflowed += std::isinf(now) ? 1 : 0;
    rounding.below_f32 += in_f32 == 0 && size > 0 ? 1 : 0;
    rounding.vanished += now == 0 && in_f32 != 0 ? 1 : 0;
  }
}

template <typename From, typename To>
Rounding convert_all(std::span<const std::byte> in, std::span<std::byte> out) {
  Rounding rounding;
  const std::size_t n = in.size() / sizeof(From);
  for (std::size_t i = 0; i < n; ++i) {
    const From value = load<From>(&in[i * sizeof(From)]);
    const float in_f32 = as_float(value);
    const To now = from_float<To>(in_f32);
    std::memcpy(&out[i * sizeof(To)], &now, sizeof now);
    if constexpr (std::is_same_v<From, double>) {
      note(rounding, value, in_f32, as_float(now));
    } else if constexpr (kReach<From> > kReach<To>) {
      note(rounding, in_f32, in_f32, as_float(now));
    }
  }
  return rounding;
}

template <typename From>
Rounding convert_from(std::span<const std::byte> in,
                      FileDtype to,
                      std::span<std::byte> out) {
  switch (to) {
    case FileDtype::kF64:
      return convert_all<From, double>(in, out);
    case FileDtype::kF32:
      return convert_all<From, float>(in, out);
    case FileDtype::kF16:
      return convert_all<From, F16>(in, out);
    default:
      return convert_all<From, Bf16>(in, out);
  }
}

template <typename T>
std::int64_t nonfinite(std::span<const std::byte> bytes) {
  std::int64_t count = 0;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(T)) {
    const T value = load<T>(&bytes[at]);
    if constexpr (std::is_same_v<T, double>) {
      count += std::isfinite(value) ? 0 : 1;
    } else {
      count += std::isfinite(as_float(value)) ? 0 : 1;
    }
  }
  return count;
}

float largest_of(FileDtype dtype) {
  const F16 f16 = {0x7BFF};
  const Bf16 bf16 = {0x7F7F};
  return dtype == FileDtype::kF16    ? to_float(f16)
         : dtype == FileDtype::kBf16 ? to_float(bf16)
                                     : std::numeric_limits<float>::max();
}

// A square of kBlock x kBlock stays in the first-level cache while it is read
// by rows and written by columns.
constexpr std::int64_t kBlock = 32;

template <typename T>
void transpose_all(const std::byte* in,
                   std::int64_t rows,
                   std::int64_t columns,
                   std::byte* out) {
  constexpr std::int64_t kSize = sizeof(T);
  for (std::int64_t row = 0; row < rows; row += kBlock) {
    const std::int64_t last_row = std::min(row + kBlock, rows);
    for (std::int64_t column = 0; column < columns; column += kBlock) {
      const std::int64_t last_column = std::min(column + kBlock, columns);
      for (std::int64_t c = column; c < last_column; ++c) {
        for (std::int64_t r = row; r < last_row; ++r) {
          std::memcpy(out + (c * rows + r) * kSize,
                      in + (r * columns + c) * kSize,
                      kSize);
        }
      }
    }
  }
}

}  // namespace

bool is_float(FileDtype dtype) {
  return dtype == FileDtype::kF64 || dtype == FileDtype::kF32 ||
         dtype == FileDtype::kF16 || dtype == FileDtype::kBf16;
}

Rounding convert(FileDtype from,
                 std::span<const std::byte> in,
                 FileDtype to,
                 std::span<std::byte> out) {
  assert(in.size() / size_of(from) == out.size() / size_of(to));
  if (from == to) {
    std::copy(in.begin(), in.end(), out.begin());
    return {};
  }
  DURE_CHECK(is_float(from) && is_float(to),
             "can't convert {} to {}; known are F64, F32, F16 and BF16",
             name_of(from),
             name_of(to));
  switch (from) {
    case FileDtype::kF64:
      return convert_from<double>(in, to, out);
    case FileDtype::kF32:
      return convert_from<float>(in, to, out);
    case FileDtype::kF16:
      return convert_from<F16>(in, to, out);
    default:
      return convert_from<Bf16>(in, to, out);
  }
}

std::int64_t convert(const TensorEntry& entry,
                     FileDtype to,
                     std::span<std::byte> out) {
  const Rounding rounding = convert(entry.dtype, entry.bytes, to, out);
  DURE_CHECK(rounding.overflowed == 0,
             "tensor {}: {} of {} values are beyond {:g}, the largest that {} "
             "holds; the largest here is {:g}",
             quoted(entry.name),
             rounding.overflowed,
             elements_of(entry.shape),
             largest_of(to),
             name_of(to),
             rounding.largest);
  DURE_CHECK(rounding.below_f32 == 0,
             "tensor {}: {} of {} values of F64 are too small for F32, in "
             "which they are 0",
             quoted(entry.name),
             rounding.below_f32,
             elements_of(entry.shape));
  return rounding.vanished;
}

std::int64_t count_nonfinite(FileDtype dtype,
                             std::span<const std::byte> bytes) {
  switch (dtype) {
    case FileDtype::kF64:
      return nonfinite<double>(bytes);
    case FileDtype::kF32:
      return nonfinite<float>(bytes);
    case FileDtype::kF16:
      return nonfinite<F16>(bytes);
    case FileDtype::kBf16:
      return nonfinite<Bf16>(bytes);
    default:
      return 0;
  }
}

void transpose(std::span<const std::byte> in,
               std::int64_t rows,
               std::int64_t columns,
               std::size_t element_bytes,
               std::span<std::byte> out) {
  assert(in.size() == out.size());
  switch (element_bytes) {
    case 1:
      return transpose_all<std::uint8_t>(in.data(), rows, columns, out.data());
    case 2:
      return transpose_all<std::uint16_t>(in.data(), rows, columns, out.data());
    case 4:
      return transpose_all<std::uint32_t>(in.data(), rows, columns, out.data());
    default:
      return transpose_all<std::uint64_t>(in.data(), rows, columns, out.data());
  }
}

std::vector<float> to_floats(const TensorEntry& entry) {
  std::vector<float> values(entry.bytes.size() / size_of(entry.dtype));
  convert(entry, FileDtype::kF32, std::as_writable_bytes(std::span(values)));
  return values;
}

}  // namespace dure::checkpoint
