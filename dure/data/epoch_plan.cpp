#include "dure/data/epoch_plan.h"

#include <algorithm>

#include "dure/base/check.h"

namespace dure::data {

EpochPlan plan_epochs(std::int64_t tokens,
                      std::int64_t sequence,
                      std::int64_t wanted) {
  DURE_CHECK(sequence >= 1,
             "wanted a data.sequence of 1 token or more, not {}",
             sequence);
  DURE_CHECK(tokens > sequence,
             "a sample takes {} tokens (data.sequence + 1), but there are only "
             "{}; give more text or a shorter sequence",
             sequence + 1,
             tokens);
  constexpr std::int64_t kMostTokens = std::int64_t{1} << 60;
  DURE_CHECK(wanted <= kMostTokens / sequence,
             "{} samples of {} tokens are more than can be counted",
             wanted,
             sequence);
  EpochPlan plan = {.tokens = tokens, .sequence = sequence};
  // This is the least number of epochs with enough samples.
  plan.epochs = std::max<std::int64_t>(1, wanted * sequence / tokens + 1);
  plan.samples = plan.samples_before(plan.epochs);
  plan.samples_per_epoch = plan.samples_before(1);
  plan.first_block = plan.samples;
  if (plan.epochs > 1) {
    const std::int64_t before = plan.samples_before(plan.epochs - 1);
    // The bound is 80 %, rounded down: see Megatron's separate_last_epoch.
    if (wanted - before < plan.samples_per_epoch * 4 / 5) {
      plan.first_block = before;
    }
  }
  return plan;
}

}  // namespace dure::data
