#include "dure/parallel/zero/weight_versions.h"

#include <algorithm>
#include <utility>

#include "dure/kernels/elementwise.h"

namespace dure::parallel {

WeightVersions::WeightVersions(const Gradients::Place& place)
    : place_(place), buckets_(place.plan) {
  for (const nn::Parameter& parameter : place.parameters.all()) {
    newest_.push_back(parameter.value);
  }
}

void WeightVersions::begin_overlap(std::vector<int> versions) {
  kept_.clear();
  versions_ = std::move(versions);
  updates_ = 0;
}

bool WeightVersions::reads_newest(int micro_batch) const {
  // Without an overlap, micro-batches are any, and there is one version.
  return versions_.empty() ||
         versions_.at(static_cast<std::size_t>(micro_batch)) == updates_;
}

// Of the buckets that a unit uses.
template <typename Function>
void WeightVersions::for_each_weight(int unit, Function&& function) {
  for (const int bucket : buckets_.of(unit)) {
    const Bucket& planned = place_.plan.buckets[bucket];
    for (int w = planned.first; w < planned.last; ++w) {
      function(static_cast<std::size_t>(w));
    }
  }
}

void WeightVersions::begin(int unit, int micro_batch) {
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

void WeightVersions::end(int unit, int micro_batch) {
  if (reads_newest(micro_batch)) {
    return;
  }
  for_each_weight(
      unit, [&](std::size_t w) { place_.parameters[w].value = newest_[w]; });
}

void WeightVersions::before_update(int last_micro_batch) {
  const auto next = versions_.begin() + last_micro_batch + 1;
  // First, so that the copy takes the place of what goes.
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

void WeightVersions::keep_newest() {
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
