#include "dure/kernels/rope.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/rope.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// Turns `pairs` pairs (low[i], high[i]).
void turn_pairs(float* low,
                float* high,
                const float* cosine,
                const float* sine,
                std::int64_t pairs) {
  const Floats d;
  std::int64_t i = 0;
  for (; i + kLanes <= pairs; i += kLanes) {
    const Vector x = hn::LoadU(d, low + i);
    const Vector y = hn::LoadU(d, high + i);
    const Vector c = hn::LoadU(d, cosine + i);
    const Vector s = hn::LoadU(d, sine + i);
    hn::StoreU(hn::MulSub(x, c, hn::Mul(y, s)), d, low + i);
    hn::StoreU(hn::MulAdd(y, c, hn::Mul(x, s)), d, high + i);
  }
  for (; i < pairs; ++i) {
    const float x = low[i];
    const float y = high[i];
    low[i] = x * cosine[i] - y * sine[i];
    high[i] = y * cosine[i] + x * sine[i];
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

// Wider heads are turned this many pairs at a time, so that the angles of a row
// fit on the stack.
constexpr std::int64_t kPairs = 64;

// A sine and a cosine take as long as moving so many elements.
constexpr std::int64_t kAngleElements = 64;

using Angles = std::array<float, kPairs>;

}  // namespace

HWY_EXPORT(turn_pairs);

namespace {

// theta^(-2i/D) for pairs first .. first + count - 1.
void fill_frequencies(const Rope& op,
                      std::int64_t first,
                      std::int64_t count,
                      std::array<double, kPairs>& frequencies) {
  for (std::int64_t i = 0; i < count; ++i) {
    frequencies[static_cast<std::size_t>(i)] =
        std::pow(op.theta,
                 -2.0 * static_cast<double>(first + i) /
                     static_cast<double>(op.head_dim));
  }
}

void fill_angles(const std::array<double, kPairs>& frequencies,
                 double position,
                 Turn turn,
                 std::int64_t count,
                 Angles& cosine,
                 Angles& sine) {
  const double sign = turn == Turn::kForward ? 1 : -1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const double angle = sign * position * frequencies[i];
    cosine[i] = static_cast<float>(std::cos(angle));
    sine[i] = static_cast<float>(std::sin(angle));
  }
}

void turn_columns(Stream& stream,
                  const Rope& op,
                  std::int64_t first,
                  std::int64_t count) {
  const std::int64_t N = op.qkv.shape()[0];
  const std::int64_t columns = op.qkv.shape()[1];
  std::array<double, kPairs> frequencies;
  fill_frequencies(op, first, count, frequencies);
  const auto turn_row = [&](std::int64_t n) {
    Angles cosine;
    Angles sine;
    fill_angles(frequencies,
                op.positions.data<std::int32_t>()[n],
                op.turn,
                count,
                cosine,
                sine);
    float* row = op.qkv.data<float>() + n * columns + first;
    for (std::int64_t head = 0; head < op.turned_heads; ++head) {
      float* low = row + head * op.head_dim;
      HWY_DYNAMIC_DISPATCH(turn_pairs)
      (low, low + op.head_dim / 2, cosine.data(), sine.data(), count);
    }
  };
  parallel_ranges(
      stream,
      N,
      {.elements_per_item = count * (2 * op.turned_heads + kAngleElements)},
      [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t n = from; n < to; ++n) {
          turn_row(n);
        }
      });
}

}  // namespace

void run(OnCpu, Stream& stream, const Rope& op) {
  const std::int64_t pairs = op.head_dim / 2;
  for (std::int64_t first = 0; first < pairs; first += kPairs) {
    turn_columns(stream, op, first, std::min(kPairs, pairs - first));
  }
}

}  // namespace dure::kernels
#endif
