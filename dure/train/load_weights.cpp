#include "dure/train/load_weights.h"

#include <algorithm>
#include <vector>

#include "dure/kernels/elementwise.h"
#include "dure/kernels/transfer.h"
#include "dure/mesh/sharding.h"
#include "dure/model/initialize.h"
#include "dure/model/weights.h"

namespace dure::train {
namespace {

using parallel::Kept;

// What is kept of a weight, from all of its elements without padding.
void upload(Stream& stream, const Kept& kept, std::span<const float> whole) {
  const std::int64_t n = kept.value.elements();
  const Tensor flat = kept.value.reshaped({n});
  const std::int64_t there =
      std::clamp<std::int64_t>(std::ssize(whole) - kept.offset, 0, n);
  if (there > 0) {
    launch(stream,
           kernels::Upload{.y = flat.rows(0, there),
                           .host = std::as_bytes(whole.subspan(
                               static_cast<std::size_t>(kept.offset),
                               static_cast<std::size_t>(there)))});
  }
  if (there < n) {
    launch(stream, kernels::Fill{.y = flat.rows(there, n - there), .value = 0});
  }
}

}  // namespace

void draw_weights(Rank& rank, Replica& replica, std::uint64_t seed) {
  const auto specs = model::weights(replica.config());
  for (const Kept& kept : replica.store().kept()) {
    model::initialize(rank.stream,
                      specs[static_cast<std::size_t>(kept.weight)],
                      seed,
                      kept.value,
                      kept.offset);
  }
  replica.store().share();
}

void load_weights(Rank& rank,
                  Replica& replica,
                  const checkpoint::WeightSource& source) {
  const auto specs = model::weights(replica.config());
  std::vector<float> host;
  int read = -1;  // the weight that stands in `host`
  for (const Kept& kept : replica.store().kept()) {
    const model::WeightSpec& spec =
        specs[static_cast<std::size_t>(kept.weight)];
    if (kept.weight != read) {
      host.resize(static_cast<std::size_t>(mesh::elements(spec.logical)));
      source.read(spec.name, host);
      read = kept.weight;
    }
    upload(rank.stream, kept, host);
  }
  replica.store().share();
}

}  // namespace dure::train
