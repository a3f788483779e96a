#include "dure/kernels/elementwise.h"

#include <algorithm>
#include <array>
#include <span>
#include <type_traits>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/elementwise.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/vector_loop-inl.h"
#include "dure/tensor/element_type.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

template <typename Element, typename Summand>
void add_elements(const Add& op, std::int64_t first, std::int64_t last) {
  Element* const y = op.y.data<Element>();
  const Element* const a = op.a.data<Element>();
  const Summand* const b = op.b.data<Summand>();
  for_each_vector(first, last, [&](std::int64_t i, auto part) HWY_ATTR {
    part.store(hn::Add(part.load(a + i), part.load(b + i)), y + i);
  });
}

void add_range(const Add& op, std::int64_t first, std::int64_t last) {
  with_one_half_type(
      op.y.dtype(), op.b.dtype(), [&](auto element, auto summand) HWY_ATTR {
        add_elements<decltype(element), decltype(summand)>(op, first, last);
      });
}

// Takes types that differ.
void cast_range(const Copy& op, std::int64_t first, std::int64_t last) {
  with_float_types(
      op.x.dtype(), op.y.dtype(), [&](auto from, auto to) HWY_ATTR {
        using From = decltype(from);
        using To = decltype(to);
        if constexpr (!std::is_same_v<From, To>) {
          convert(
              op.x.data<From>() + first, last - first, op.y.data<To>() + first);
        }
      });
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(add_range);
HWY_EXPORT(cast_range);

void copy_bytes(const Copy& op, std::int64_t first, std::int64_t last) {
  const auto size = static_cast<std::int64_t>(size_of(op.y.dtype()));
  const auto* const x = static_cast<const std::byte*>(op.x.bytes());
  auto* const y = static_cast<std::byte*>(op.y.bytes());
  std::copy(x + first * size, x + last * size, y + first * size);
}

// This is a plain loop, because vectors as long as a cache line take 10 to 20 %
// more time from memory on an AMD EPYC.
void add_floats(const Add& op, std::int64_t first, std::int64_t last) {
  float* const y = op.y.data<float>();
  const float* const a = op.a.data<float>();
  const float* const b = op.b.data<float>();
  for (std::int64_t i = first; i < last; ++i) {
    y[i] = a[i] + b[i];
  }
}

// Draws normals into a tile, and copies them into a row.
template <typename Element>
void draw_row(const FillNormal& op, std::uint64_t index, std::span<Element> y) {
  std::array<float, 256> tile;
  while (!y.empty()) {
    // After the first, each tile begins with a whole block of the generator.
    const std::size_t count = std::min(tile.size() - index % 4, y.size());
    op.stream.normals(index, std::span(tile).first(count));
    for (std::size_t c = 0; c < count; ++c) {
      y[c] = from_float<Element>(tile[c] * op.standard_deviation);
    }
    index += count;
    y = y.subspan(count);
  }
}

template <typename Element>
void fill_row(const FillNormal& op, std::int64_t n) {
  const std::int64_t C = op.y.shape()[1];
  const std::span<Element> y(op.y.data<Element>() + n * C,
                             static_cast<std::size_t>(C));
  const std::int64_t row = op.first_row + n;
  if (row >= op.filled_rows) {
    std::fill(y.begin(), y.end(), Element());
    return;
  }
  const std::int64_t first = row * op.columns + op.first_column;
  draw_row(op, static_cast<std::uint64_t>(first), y);
}

}  // namespace

void run(OnCpu, Stream& stream, const Fill& op) {
  with_float_type(op.y.dtype(), [&](auto element) {
    using Element = decltype(element);
    Element* const y = op.y.data<Element>();
    const auto value = from_float<Element>(op.value);
    parallel_ranges(stream,
                    op.y.elements(),
                    kFlat,
                    [&](std::int64_t first, std::int64_t last) {
                      std::fill(y + first, y + last, value);
                    });
  });
}

void run(OnCpu, Stream& stream, const Copy& op) {
  parallel_ranges(stream,
                  op.y.elements(),
                  kFlat,
                  [&](std::int64_t first, std::int64_t last) {
                    op.x.dtype() == op.y.dtype()
                        ? copy_bytes(op, first, last)
                        : HWY_DYNAMIC_DISPATCH(cast_range)(op, first, last);
                  });
}

void run(OnCpu, Stream& stream, const Add& op) {
  const bool f32_alone =
      op.y.dtype() == DType::kF32 && op.b.dtype() == DType::kF32;
  parallel_ranges(stream,
                  op.y.elements(),
                  kFlat,
                  [&](std::int64_t first, std::int64_t last) {
                    f32_alone
                        ? add_floats(op, first, last)
                        : HWY_DYNAMIC_DISPATCH(add_range)(op, first, last);
                  });
}

void run(OnCpu, Stream& stream, const FillNormal& op) {
  with_float_type(op.y.dtype(), [&](auto element) {
    parallel_ranges(stream,
                    op.y.shape()[0],
                    {.elements_per_item = op.y.shape()[1]},
                    [&](std::int64_t first, std::int64_t last) {
                      for (std::int64_t n = first; n < last; ++n) {
                        fill_row<decltype(element)>(op, n);
                      }
                    });
  });
}

}  // namespace dure::kernels
#endif
