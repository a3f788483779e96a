#include "dure/train/options.h"

#include "dure/optim/optimizer.h"

namespace dure::train {

parallel::StoreOptions store_options(const Config& config) {
  const ParallelConfig& parallel = config.parallel;
  return {.stage = static_cast<int>(parallel.zero),
          .shard_size = static_cast<int>(parallel.zero_group),
          .prefetch = static_cast<int>(parallel.prefetch_layers),
          .gather = parallel.gather,
          .bucket_bytes = parallel.bucket_mb * kMib,
          .first_bucket_bytes = parallel.first_bucket_mb * kMib,
          .order = parallel.sums,
          .spans = config.optimizer.name->spans,
          .gradients_of = config.optimizer.name->gradients,
          .master = master_type(config.precision),
          .states = state_type(config.precision),
          .reduce = reduce_type(config.precision)};
}

RankOptions rank_options(const Config& config) {
  const auto ranks = static_cast<int>(ranks_of(config.parallel));
  return {.device = config.train.device,
          .threads = static_cast<int>(config.train.threads),
          .simulated = {.ranks = ranks},
          .mesh = mesh_of(config.parallel, ranks),
          .rows = config.parallel.sequence ? parallel::Rows::kCut
                                           : parallel::Rows::kWhole,
          .sums = config.parallel.sums,
          .f32_product = f32_product(config.precision)};
}

}  // namespace dure::train
