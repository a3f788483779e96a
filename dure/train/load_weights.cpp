#include "dure/train/load_weights.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "dure/base/check.h"
#include "dure/model/initialize.h"
#include "dure/model/weights.h"
#include "dure/train/same_files.h"
#include "dure/train/weight_parts.h"

namespace dure::train {
namespace {

using parallel::Access;

void check_finite(const std::string& weight,
                  std::span<const mesh::Stretch> stretches,
                  std::span<const float> values) {
  for (const mesh::Stretch& stretch : stretches) {
    const auto some = values.subspan(static_cast<std::size_t>(stretch.local),
                                     static_cast<std::size_t>(stretch.length));
    DURE_CHECK(std::all_of(some.begin(),
                           some.end(),
                           [](float value) { return std::isfinite(value); }),
               "weight ",
               weight,
               " holds NaN or infinity, so the model computes nothing; take a "
               "checkpoint from before that");
  }
}

}  // namespace

Path find_weights(comm::HostRanks& ranks, const Path& path, const Log& log) {
  const Path found = ranks.first_rank_says(
      [&] { return checkpoint::find_weights(path, log).string(); });
  expect_same_files(ranks, [&] { return facts_of_checkpoint(found); });
  return found;
}

void draw_weights(Rank& rank, Replica& replica, std::uint64_t seed) {
  const WeightCuts cuts(replica.config(), rank.place());
  for_each_shard(replica.store(),
                 {.master = Access::kWrite},
                 [&](const parallel::Shard& shard) {
                   const auto weight = static_cast<std::size_t>(shard.weight);
                   model::initialize(
                       rank.stream,
                       cuts.weight(replica.parameters()[weight].name),
                       seed,
                       {.value = shard.master,
                        .place = cuts.place(),
                        .offset = shard.offset});
                 });
  replica.store().share();
}

void load_weights(Rank& rank,
                  Replica& replica,
                  const checkpoint::WeightSource& source) {
  read_owned(rank,
             replica,
             owned_weights(replica),
             [&](const std::string& weight,
                 std::span<const mesh::Stretch> stretches,
                 std::span<float> out) {
               source.read_stretches(weight, stretches, out);
               check_finite(weight, stretches, out);
             });
  replica.store().share();
}

}  // namespace dure::train
