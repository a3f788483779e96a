#include "dure/kernels/count_exponents.h"

#include <array>
#include <bit>
#include <mutex>

#include "dure/kernels/cpu/update_spans.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

using Counts = std::array<std::int64_t, CountExponents::kCounts>;

constexpr int kFractionBits = 23;  // of an f32
constexpr std::uint32_t kFraction = (1U << kFractionBits) - 1;
constexpr std::uint32_t kInfinity = 0x7F800000U;
constexpr int kBias = 127;

std::uint32_t magnitude_of(float value) {
  return std::bit_cast<std::uint32_t>(value) & ~(1U << 31);
}

// An exponent, and a significand without its leading 1.
struct Parts {
  int exponent = 0;
  std::uint32_t fraction = 0;
};

// The parts of a magnitude that is neither 0 nor infinite. A subnormal counts
// in 2^kFirst, and its highest bit is the leading 1. Only whole numbers are
// compared and shifted, so modes that flush subnormals can't matter.
Parts parts_of(std::uint32_t magnitude) {
  if (magnitude > kFraction) {
    return {static_cast<int>(magnitude >> kFractionBits) - kBias,
            magnitude & kFraction};
  }
  const int highest = std::bit_width(magnitude) - 1;
  return {CountExponents::kFirst + highest,
          (magnitude << (kFractionBits - highest)) & kFraction};
}

std::int64_t place_of(std::uint32_t magnitude, std::uint32_t scale_fraction) {
  if (magnitude == 0) {
    return CountExponents::kZeros;
  }
  if (magnitude >= kInfinity) {
    return CountExponents::kNonfinite;
  }
  const Parts parts = parts_of(magnitude);
  return parts.fraction < scale_fraction
             ? CountExponents::below(parts.exponent)
             : CountExponents::not_below(parts.exponent);
}

template <typename Element>
void count(const Element* x, Range part, std::uint32_t fraction, Counts& sum) {
  for (std::int64_t i = part.first; i < part.last; ++i) {
    const std::int64_t place = place_of(magnitude_of(to_float(x[i])), fraction);
    ++sum[static_cast<std::size_t>(place)];
  }
}

}  // namespace

void run(OnCpu, Stream& stream, const CountExponents& op) {
  const std::uint32_t fraction =
      parts_of(magnitude_of(*op.scale.data<float>())).fraction;
  std::mutex adding;
  parallel_parts(
      stream,
      op.spans,
      [](const ConstTensor& span) { return span.elements(); },
      kFlat,
      [&](std::size_t s, Range part) {
        const ConstTensor& span = op.spans[s];
        Counts counts = {};
        with_float_type(span.dtype(), [&](auto element) {
          count(span.data<decltype(element)>(), part, fraction, counts);
        });
        const std::scoped_lock lock(adding);
        auto* const all = op.counts.data<std::int64_t>();
        for (std::size_t c = 0; c < counts.size(); ++c) {
          all[c] += counts[c];
        }
      });
}

}  // namespace dure::kernels
