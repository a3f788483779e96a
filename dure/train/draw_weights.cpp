#include "dure/train/draw_weights.h"

#include "dure/model/initialize.h"
#include "dure/train/weight_parts.h"

namespace dure::train {

void draw_weights(Rank& rank, RankModel& rank_model, std::uint64_t seed) {
  const WeightCuts cuts(rank_model.config(), rank.place());
  for_each_shard(rank_model.store(),
                 {.master = parallel::Access::kWrite},
                 [&](const parallel::Shard& shard) {
                   model::initialize(
                       rank.stream,
                       cuts.weight(rank_model.parameters()[shard.weight].name),
                       seed,
                       {.value = shard.master,
                        .place = cuts.place(),
                        .offset = shard.offset});
                 });
  rank_model.store().broadcast();
}

}  // namespace dure::train
