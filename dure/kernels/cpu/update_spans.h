// All spans of an update as one range, cut evenly over a rank's threads: every
// thread gets the same amount, however sizes differ.
#pragma once

#include <algorithm>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/update.h"

namespace dure::kernels {

// Calls body(s, part) for every part of a span s. size_of(span) and the part
// count the items of `split`.
template <typename Spans, typename Size, typename Body>
void parallel_parts(Stream& stream,
                    const Spans& spans,
                    const Size& size_of,
                    Split split,
                    const Body& body) {
  std::int64_t total = 0;
  for (const auto& span : spans) {
    total += size_of(span);
  }
  parallel_ranges(
      stream, total, split, [&](std::int64_t first, std::int64_t last) {
        std::int64_t start = 0;
        for (std::size_t s = 0; s < spans.size(); ++s) {
          const std::int64_t end = start + size_of(spans[s]);
          const Range part = {std::max(first, start) - start,
                              std::min(last, end) - start};
          if (part.first < part.last) {
            body(s, part);
          }
          start = end;
        }
      });
}

// Calls update(span, part) for parts that divide each span, unless the decision
// is to skip the update.
template <typename Op, typename Update>
void parallel_update(Stream& stream, const Op& op, const Update& update) {
  if (op.control.template data<float>()[kIsUpdated] == 0) {
    return;
  }
  parallel_parts(
      stream,
      op.spans,
      [](const UpdateSpan& span) { return span.gradient.elements(); },
      kFlat,
      [&](std::size_t s, Range part) { update(op.spans[s], part); });
}

}  // namespace dure::kernels
