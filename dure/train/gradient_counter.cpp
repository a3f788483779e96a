#include "dure/train/gradient_counter.h"

#include <algorithm>
#include <utility>

#include "dure/kernels/count_exponents.h"
#include "dure/train/weight_parts.h"

namespace dure::train {
namespace {

// The elements of a rank's part of a weight that are not padding, which comes
// last.
std::int64_t published(const WeightCuts& cuts, const std::string& weight) {
  return cuts.local(weight).before(mesh::elements(cuts.weight(weight).logical));
}

}  // namespace

GradientCounter::GradientCounter(Rank& rank,
                                 RankModel& rank_model,
                                 std::vector<parallel::Slice> slices)
    : rank_(rank), rank_model_(rank_model), slices_(std::move(slices)) {
  const WeightCuts cuts(rank_model.config(), rank.place());
  for (parallel::Slice& slice : slices_) {
    const std::string& name = rank_model.parameters()[slice.weight].name;
    slice.elements = std::clamp<std::int64_t>(
        published(cuts, name) - slice.offset, 0, slice.elements);
  }
  gradients_.reserve(slices_.size());
}

void GradientCounter::add_to(Tensor counts, ConstTensor loss_scale) {
  parallel::ParameterStore& store = rank_model_.store();
  for (auto slice = slices_.begin(); slice != slices_.end();) {
    const int bucket = slice->bucket;
    const parallel::Acquired acquired =
        store.acquire(bucket, {.gradient = parallel::Access::kRead});
    for (; slice != slices_.end() && slice->bucket == bucket; ++slice) {
      gradients_.push_back(acquired.shard(*slice).gradient);
    }
    launch(rank_.stream,
           kernels::CountExponents{
               .counts = counts, .scale = loss_scale, .spans = gradients_});
    gradients_.clear();
  }
}

}  // namespace dure::train
