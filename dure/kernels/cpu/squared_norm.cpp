#include "dure/kernels/squared_norm.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/squared_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/squares-inl.h"
#include "dure/kernels/cpu/sum_digits.h"
#include "dure/kernels/cpu/update_spans.h"

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(add_squares_of);

void run(OnCpu, Stream& stream, const SquaredNorm& op) {
  constexpr std::int64_t kGroup = SquaredNorm::kGroup;
  std::mutex adding;
  parallel_parts(
      stream,
      op.spans,
      [](const ConstTensor& span) {
        return (span.elements() + kGroup - 1) / kGroup;
      },
      {.elements_per_item = kGroup},
      [&](std::size_t s, Range groups) {
        const ConstTensor& span = op.spans[s];
        const Range part = {groups.first * kGroup,
                            std::min(groups.last * kGroup, span.elements())};
        ExactSum squares;
        HWY_DYNAMIC_DISPATCH(add_squares_of)(span, part, squares);
        const bool is_finite = std::isfinite(squares.value());
        const std::scoped_lock lock(adding);
        add_to(op.sum, squares);
        std::int64_t& bad = *op.first_nonfinite.data<std::int64_t>();
        bad = is_finite
                  ? bad
                  : std::min(bad, op.first_span + static_cast<std::int64_t>(s));
      });
}

}  // namespace dure::kernels
#endif
