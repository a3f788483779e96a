#include "tests/layout.h"

#include <fmt/core.h>

namespace dure {

std::string text(const Layout& layout) {
  return fmt::format(
      "pipe {} x data {} x tensor {}{}, zero {}{}, {}{}{} micro-batches, "
      "recompute {}{}",
      layout.pipe,
      layout.data,
      layout.tensor,
      layout.sequence ? ", rows cut" : "",
      layout.zero,
      layout.zero_group > 0 ? fmt::format(" of {}", layout.zero_group) : "",
      parallel::name_of(layout.schedule),
      layout.chunks > 1 ? " of 2 chunks, " : ", ",
      layout.micro_batches,
      static_cast<int>(layout.recompute),
      layout.parts ? ", partitioned checkpoints" : "");
}

train::Config configured(train::Config config, const Layout& layout) {
  config.train.micro_batch = 1;
  config.train.global_batch = std::int64_t{layout.data} * layout.micro_batches;
  config.parallel.pipeline = layout.pipe;
  config.parallel.data = layout.data;
  config.parallel.tensor = layout.tensor;
  config.parallel.sequence = layout.sequence;
  config.parallel.zero = layout.zero;
  config.parallel.zero_group = layout.zero_group;
  config.parallel.schedule = layout.schedule;
  config.parallel.virtual_stages = layout.chunks;
  // Some buckets are cut across ranks.
  config.parallel.bucket_mb = 0.02;
  config.parallel.first_bucket_mb = 0.004;
  config.memory.recompute = layout.recompute;
  config.memory.partition_checkpoints =
      layout.parts && layout.recompute == model::Recompute::kFull;
  return train::resolve(config);
}

}  // namespace dure
