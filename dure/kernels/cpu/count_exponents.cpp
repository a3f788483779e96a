#include "dure/kernels/count_exponents.h"

#include <array>
#include <mutex>

#include "dure/kernels/cpu/update_spans.h"
#include "dure/kernels/exponents.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

using Counts = std::array<std::int64_t, CountExponents::kCounts>;

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
