#include "dure/checkpoint/conversion.h"

#include <fmt/core.h>

#include "dure/base/check.h"
#include "dure/checkpoint/elements.h"

namespace dure::checkpoint {

void Conversion::read(const std::string& weight,
                      FileDtype dtype,
                      std::span<std::byte> out) {
  vanished_ += source_.read(weight, dtype, out);
  const auto elements = static_cast<std::int64_t>(out.size() / size_of(dtype));
  elements_ += elements;
  const std::int64_t bad = count_nonfinite(dtype, out);
  DURE_CHECK(bad == 0,
             "weight {}: {} of {} values are NaN or infinite, so the model "
             "computes nothing; take one from before that",
             weight,
             bad,
             elements);
}

std::vector<std::string> Conversion::notes() const {
  if (vanished_ == 0) {
    return {};
  }
  return {fmt::format(
      "{} of {} weights, too small for the type asked for, became 0",
      vanished_,
      elements_)};
}

}  // namespace dure::checkpoint
