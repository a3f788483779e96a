#include "dure/kernels/rope.h"

#include <algorithm>
#include <cmath>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/rope.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/vector_loop-inl.h"
#include "dure/tensor/element_type.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// Wider heads are rotated this many pairs at a time, so that the angles of a
// row fit on the stack.
inline constexpr std::int64_t kPairs = 64;

// Pairs [first, first + count) of every head.
struct Pairs {
  std::int64_t first;
  std::int64_t count;
  double frequency[kPairs];
};

struct Angles {
  float cosine[kPairs];
  float sine[kPairs];
};

// theta^(-2i/D)
Pairs pairs_from(const Rope& op, std::int64_t first) {
  Pairs pairs = {.first = first,
                 .count = std::min(kPairs, op.head_dim / 2 - first),
                 .frequency = {}};
  for (std::int64_t i = 0; i < pairs.count; ++i) {
    pairs.frequency[i] = std::pow(op.theta,
                                  -2.0 * static_cast<double>(first + i) /
                                      static_cast<double>(op.head_dim));
  }
  return pairs;
}

Angles angles_of(const Pairs& pairs, double position, Rotation rotation) {
  const double sign = rotation == Rotation::kForward ? 1 : -1;
  Angles angles;
  for (std::int64_t i = 0; i < pairs.count; ++i) {
    const double angle = sign * position * pairs.frequency[i];
    angles.cosine[i] = static_cast<float>(std::cos(angle));
    angles.sine[i] = static_cast<float>(std::sin(angle));
  }
  return angles;
}

// Rotates pairs (low[i], high[i]).
template <typename Element>
HWY_INLINE void turn_pairs(Element* low,
                           Element* high,
                           const Angles& angles,
                           std::int64_t count) {
  for_each_vector(0, count, [&](std::int64_t i, auto part) HWY_ATTR {
    const Vector x = part.load(low + i);
    const Vector y = part.load(high + i);
    const Vector c = part.load(angles.cosine + i);
    const Vector s = part.load(angles.sine + i);
    part.store(hn::MulSub(x, c, hn::Mul(y, s)), low + i);
    part.store(hn::MulAdd(y, c, hn::Mul(x, s)), high + i);
  });
}

template <typename Element>
void turn_rows(const Rope& op, const Pairs& pairs, Range rows) {
  const std::int64_t columns = op.qkv.shape()[1];
  for (std::int64_t n = rows.first; n < rows.last; ++n) {
    const Angles angles =
        angles_of(pairs, op.positions.data<std::int32_t>()[n], op.rotation);
    Element* const row = op.qkv.data<Element>() + n * columns + pairs.first;
    for (std::int64_t head = 0; head < op.rotated_heads; ++head) {
      Element* const low = row + head * op.head_dim;
      turn_pairs(low, low + op.head_dim / 2, angles, pairs.count);
    }
  }
}

void turn_range(const Rope& op, Range rows) {
  with_float_type(op.qkv.dtype(), [&](auto element) HWY_ATTR {
    for (std::int64_t i = 0; i < op.head_dim / 2; i += kPairs) {
      turn_rows<decltype(element)>(op, pairs_from(op, i), rows);
    }
  });
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(turn_range);

void run(OnCpu, Stream& stream, const Rope& op) {
  // A sine and a cosine take as long as moving so many elements.
  constexpr std::int64_t kAngleElements = 64;
  parallel_ranges(
      stream,
      op.qkv.shape()[0],
      {.elements_per_item =
           op.head_dim / 2 * (2 * op.rotated_heads + kAngleElements)},
      [&](std::int64_t first, std::int64_t last) {
        HWY_DYNAMIC_DISPATCH(turn_range)(op, {first, last});
      });
}

}  // namespace dure::kernels
#endif
