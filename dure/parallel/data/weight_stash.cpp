#include "dure/parallel/data/weight_stash.h"

#include <algorithm>
#include <utility>

#include "dure/kernels/elementwise.h"

namespace dure::parallel {

WeightStash::WeightStash(const StorePlace& place)
    : place_(place), buckets_(place.plan) {
  for (const nn::Parameter& parameter : place.parameters.all()) {
    newest_.push_back(parameter.value);
  }
}

void WeightStash::begin_overlap(std::vector<int> versions) {
  kept_.clear();
  versions_ = std::move(versions);
  updates_ = 0;
}

bool WeightStash::reads_newest(int micro_batch) const {
  // Without an overlap there is one version, whatever the micro-batch.
  return versions_.empty() ||
         versions_.at(static_cast<std::size_t>(micro_batch)) == updates_;
}

// Calls function(w) for the weights in the buckets that a unit uses.
template <typename Function>
void WeightStash::for_each_weight(int unit, Function&& function) {
  for (const int bucket : buckets_.of(unit)) {
    const Bucket& planned = place_.plan.buckets[bucket];
    for (int w = planned.first; w < planned.last; ++w) {
      function(static_cast<std::size_t>(w));
    }
  }
}

void WeightStash::begin(int unit, int micro_batch) {
  if (reads_newest(micro_batch)) {
    return;
  }
  const Tensor kept = kept_.at(versions_[micro_batch]);
  for_each_weight(unit, [&](std::size_t w) {
    place_.parameters[w].value =
        kept.rows(place_.plan.offsets[w], place_.plan.lengths[w])
            .reshaped(newest_[w].shape());
  });
}

void WeightStash::end(int unit, int micro_batch) {
  if (reads_newest(micro_batch)) {
    return;
  }
  for_each_weight(
      unit, [&](std::size_t w) { place_.parameters[w].value = newest_[w]; });
}

void WeightStash::before_update(int last_micro_batch) {
  const auto next = versions_.begin() + last_micro_batch + 1;
  // Frees first, so that the copy can take the freed memory.
  if (next == versions_.end()) {
    kept_.clear();
  } else {
    kept_.erase(kept_.begin(), kept_.lower_bound(*next));
  }
  if (std::binary_search(next, versions_.end(), updates_)) {
    keep_newest();
  }
  ++updates_;
  if (next == versions_.end()) {
    versions_.clear();
  }
}

void WeightStash::keep_newest() {
  OwnedTensor& copy = kept_[updates_];
  copy = place_.arena.tensor(
      {place_.plan.elements}, Category::kParameters, place_.value_type());
  for (std::size_t i = 0; i < newest_.size(); ++i) {
    launch(place_.stream,
           kernels::Copy{
               .y = copy.rows(place_.plan.offsets[i], place_.plan.lengths[i]),
               .x = newest_[i].reshaped({place_.plan.lengths[i]})});
  }
}

}  // namespace dure::parallel
