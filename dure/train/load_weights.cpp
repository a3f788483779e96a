#include "dure/train/load_weights.h"

#include <vector>

#include "dure/model/initialize.h"
#include "dure/model/weights.h"
#include "dure/train/combine.h"
#include "dure/train/weight_parts.h"

namespace dure::train {
namespace {

using parallel::Kept;

std::vector<WeightPart> parts_of(const Replica& replica) {
  std::vector<WeightPart> parts;
  for (const Kept& kept : replica.store().kept()) {
    const auto weight = static_cast<std::size_t>(kept.weight);
    parts.push_back(
        {replica.parameters().all()[weight].name, kept.offset, kept.value});
  }
  return parts;
}

}  // namespace

Path find_weights(comm::Communicator& world, const Path& path, const Log& log) {
  return first_rank_says(
      world, [&] { return checkpoint::find_weights(path, log).string(); });
}

void draw_weights(Rank& rank, Replica& replica, std::uint64_t seed) {
  const mesh::Part part = rank.tensor().part();
  const WeightCuts cuts(replica.config(), part);
  for (const Kept& kept : replica.store().kept()) {
    const auto weight = static_cast<std::size_t>(kept.weight);
    model::initialize(
        rank.stream,
        cuts.weight(replica.parameters().all()[weight].name),
        seed,
        {.value = kept.value, .part = part, .offset = kept.offset});
  }
  replica.store().share();
}

void load_weights(Rank& rank,
                  Replica& replica,
                  const checkpoint::WeightSource& source) {
  read_parts(rank.stream,
             parts_of(replica),
             WeightCuts(replica.config(), rank.tensor().part()),
             [&](const std::string& weight,
                 std::span<const mesh::Stretch> stretches,
                 std::span<float> out) {
               source.read_stretches(weight, stretches, out);
             });
  replica.store().share();
}

}  // namespace dure::train
