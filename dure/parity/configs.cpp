#include "dure/parity/configs.h"

#include <algorithm>
#include <string>
#include <utility>

#include "dure/base/check.h"
#include "dure/config/load_config.h"

namespace dure::train {
namespace {

bool has_flush(const Config& config) {
  return parallel::is_synchronous(config.parallel.schedule);
}

// Whether the key defines the training, whatever the layout.
bool is_of_training(const std::string& key) {
  constexpr const char* kOthers[] = {"train.from",
                                     "train.global_batch",
                                     "train.batch_rampup",
                                     "train.seed",
                                     "train.on_nonfinite"};
  return key.starts_with("model.") || key.starts_with("data.") ||
         key.starts_with("optimizer.") ||
         std::ranges::find(kOthers, key) != std::end(kOthers);
}

// Whether the key decides, without a flush, how old the weights of a
// micro-batch are.
bool is_of_delays(const std::string& key) {
  constexpr const char* kKeys[] = {"parallel.pipeline",
                                   "parallel.schedule",
                                   "parallel.virtual_stages",
                                   "parallel.split",
                                   "parallel.drain_every",
                                   "parallel.data",
                                   "train.micro_batch"};
  return std::ranges::find(kKeys, key) != std::end(kKeys);
}

}  // namespace

Config one_rank_of(const Config& layout) {
  if (!has_flush(layout)) {
    throw UsageError(
        "parallel.schedule \"{}\" updates weights that are some "
        "steps old, which one rank never does: wanted a schedule "
        "that flushes, such as \"1f1b\" or \"zb-h1\", or --against "
        "a configuration of the same schedule",
        parallel::name_of(layout.parallel.schedule));
  }
  Config one = layout;
  one.train.device = Device::kCpu;
  const ParallelConfig alone = {.data = 1, .sums = layout.parallel.sums};
  one.parallel = alone;
  one.parallel.bucket_mb = layout.parallel.bucket_mb;
  one.parallel.first_bucket_mb = layout.parallel.first_bucket_mb;
  one.memory.partition_checkpoints = false;
  one = resolve(std::move(one));
  validate(one);
  return one;
}

void expect_comparable(const Config& layout, const Config& reference) {
  const bool delays = !has_flush(layout) || !has_flush(reference);
  const auto here = settings_of(layout);
  const auto there = settings_of(reference);
  for (std::size_t i = 0; i < here.size(); ++i) {
    const auto& [key, value] = here[i];
    const bool matters = is_of_training(key) || (delays && is_of_delays(key));
    if (matters && value != there[i].second) {
      throw UsageError(
          "{}: wanted the same in both configurations, as layouts "
          "of one training are compared, got {} and {}",
          key,
          value,
          there[i].second);
    }
  }
}

}  // namespace dure::train
