// How near the numbers of two layouts of one configuration are: the bounds that
// docs/numerics.md states, as a table. Its page has the same table.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "dure/config/config.h"

namespace dure::train {

// The quantities that are compared, in the order in which a step makes them.
// kEvaluation is the loss of an evaluation after the last step.
enum class Quantity : std::uint8_t {
  kLoss,
  kGradient,
  kNorm,
  kWeight,
  kEvaluation,
};
inline constexpr int kQuantities = 5;
const char* name_of(Quantity quantity);

// 0: every bit is the same, but for the sign of a 0. Else the most that numbers
// may differ by, relative to the reference's, and elements of gradients and
// weights relative to the largest element of the reference's tensor, but the
// gradient of a norm's only gain to its terms (gain_scale.h). Nothing: no bound
// is known, and none is held to.
using Bound = std::optional<double>;
using Bounds = std::array<Bound, kQuantities>;  // by Quantity

struct ParityRule {
  const char* name;
  const char* when;    // it holds
  const char* reason;  // why the numbers are as near as that, and no nearer
  Bounds first;        // of the first step, before any update
  Bounds later;        // of all others, and of the evaluation
  std::int64_t steps;  // that they are bounds of; 0: any number

  Bound bound(Quantity quantity, std::int64_t step) const;
};

// All there are.
std::span<const ParityRule> parity_rules();

// The one for two layouts of a configuration, both resolved, of known ranks.
// Where layers compute in 16 bits, or the optimizer's states are kept in them,
// bounds that are not 0 grow by the ratio of the type's unit roundoff to
// fp32's: 2^16 for bf16, 2^13 for fp16.
ParityRule rule_of(const Config& layout, const Config& reference);

// "every bit", "1e-06", "none".
std::string text_of(Bound bound);

// The rules, as docs/numerics.md has them.
std::string parity_rules_table();

}  // namespace dure::train
