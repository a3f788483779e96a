#include "dure/parallel/data/parameter_store.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "dure/base/check.h"
#include "dure/kernels/elementwise.h"
#include "dure/parallel/data/parts_reducer.h"

namespace dure::parallel {
namespace {

int shard_size(const StoreOptions& options, const comm::Communicator& ranks) {
  if (options.stage == 0) {
    return 1;
  }
  return options.shard_size == 0 ? ranks.size() : options.shard_size;
}

// The axes that the weights are summed over, each set once.
std::vector<mesh::AxisSet> axes_of(const nn::ParameterSet& parameters) {
  std::vector<mesh::AxisSet> all;
  for (const nn::Parameter& parameter : parameters.all()) {
    const mesh::AxisSet axes = summed_over(parameter.placement);
    if (std::ranges::find(all, axes) == all.end()) {
      all.push_back(axes);
    }
  }
  return all;
}

std::vector<ReplicaGroups> groups_of(std::span<const mesh::AxisSet> axes,
                                     const RanksOf& ranks_of,
                                     const StoreOptions& options) {
  std::vector<ReplicaGroups> groups;
  for (const mesh::AxisSet set : axes) {
    comm::Communicator& ranks = ranks_of(set);
    groups.push_back(make_replica_groups(ranks, shard_size(options, ranks)));
  }
  return groups;
}

BucketPlan plan_of(const nn::ParameterSet& parameters,
                   std::span<const mesh::AxisSet> axes,
                   std::span<const ReplicaGroups> groups,
                   const StoreOptions& options) {
  std::vector<PlannedWeight> weights;
  for (const nn::Parameter& parameter : parameters.all()) {
    const auto set = std::ranges::find(axes, summed_over(parameter.placement));
    weights.push_back({.elements = parameter.value.elements(),
                       .units = parameter.units,
                       .group = parameter.group,
                       .replicas = static_cast<int>(set - axes.begin())});
  }
  if (options.tied) {
    weights[options.tied->weight].is_tied = true;
  }
  std::vector<int> parts;
  for (const ReplicaGroups& ranks : groups) {
    parts.push_back(ranks.ranks());
  }
  return plan_buckets(
      weights,
      {.gradients = parameters.all().front().gradient.dtype(),
       .first_bytes = options.first_bucket_bytes,
       .bytes = options.bucket_bytes,
       .parts = std::move(parts),
       .cut = options.stage == 3 ? BucketCut::kByUnits : BucketCut::kBySize,
       .spans = options.spans});
}

// With gradients of this rank alone there is nothing to exchange.
std::unique_ptr<GradientReducer> fast_reducer(const StorePlace& place,
                                              const StoreOptions& options) {
  if (options.gradients_of == kernels::GradientOf::kThisRank) {
    return make_local_whole(place);
  }
  return options.stage >= 2 ? make_sum_parts(place) : make_sum_whole(place);
}

std::unique_ptr<GradientReducer> make_reducer(const StorePlace& place,
                                              const StoreOptions& options) {
  if (options.order == comm::SumOrder::kRanked &&
      options.gradients_of == kernels::GradientOf::kAllRanks) {
    auto ranked = make_ranked_parts(place);
    return options.tied
               ? make_tied_ranked(std::move(ranked), place, *options.tied)
               : std::move(ranked);
  }
  auto fast = fast_reducer(place, options);
  return options.tied ? make_tied_fast(std::move(fast), place, *options.tied)
                      : std::move(fast);
}

}  // namespace

ParameterStore::ParameterStore(Stream& stream,
                               Arena& arena,
                               nn::ParameterSet& parameters,
                               const RanksOf& ranks,
                               const StoreOptions& options)
    : stream_(stream),
      arena_(arena),
      parameters_(parameters),
      axes_(axes_of(parameters)),
      groups_(groups_of(axes_, ranks, options)),
      parts_(parts_of(groups_)),
      plan_(plan_of(parameters, axes_, groups_, options)),
      stage_(options.stage),
      gradient_type_(parameters.all().front().gradient.dtype()),
      reduce_type_(options.reduce),
      master_type_(options.phase == nn::Phase::kTrain
                       ? options.master
                       : parameters.all().front().value.dtype()),
      state_type_(options.states) {
  gathered_ =
      options.stage == 3
          ? make_sharded_parameters(place(), options.prefetch, options.gather)
          : make_replicated_parameters(place());
  if (options.phase == nn::Phase::kTrain) {
    gradients_ =
        std::make_unique<Gradients>(place(), make_reducer(place(), options));
  }
  slices_ = slices_of(plan_, parts_);
  find_first_slices();
  owned_places_.resize(plan_.lengths.size());
  for (const Slice& slice : slices_) {
    owned_places_[slice.weight] = owned_elements_ - slice.offset;
    owned_elements_ += slice.elements;
  }
  if (master_type_ != place().value_type()) {
    masters_ =
        arena.tensor({owned_elements_}, Category::kOptimizer, master_type_);
  }
  parameters.set_storage(*this);
}

ParameterStore::~ParameterStore() = default;

void ParameterStore::find_first_slices() {
  auto next = slices_.begin();
  for (int bucket = 0; bucket < buckets(); ++bucket) {
    first_slices_.push_back(next - slices_.begin());
    next = std::find_if(next, slices_.end(), [&](const Slice& slice) {
      return slice.bucket != bucket;
    });
  }
  first_slices_.push_back(std::ssize(slices_));
}

std::span<const Slice> ParameterStore::slices(int bucket) const {
  const auto b = static_cast<std::size_t>(bucket);
  const auto first = static_cast<std::size_t>(first_slices_[b]);
  const auto last = static_cast<std::size_t>(first_slices_[b + 1]);
  return std::span(slices_).subspan(first, last - first);
}

void ParameterStore::add_states(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    states_.push_back(
        arena_.tensor({owned_elements_}, Category::kOptimizer, state_type_));
    launch(stream_, kernels::Fill{.y = states_.back(), .value = 0});
  }
}

Acquired ParameterStore::acquire(int bucket, Wants wants) {
  if (wants.weight == Access::kWrite || wants.master == Access::kWrite) {
    gathered_->wait();
  }
  ++held_;
  return {*this, bucket, wants};
}

Acquired::~Acquired() {
  if (store_ != nullptr) {
    --store_->held_;
  }
}

Shard Acquired::shard(const Slice& slice) const {
  return store_->shard(bucket_, slice, wants_);
}

Shard ParameterStore::shard(int bucket, const Slice& slice, Wants wants) const {
  Shard shard = {.weight = slice.weight, .offset = slice.offset};
  if (wants.weight != Access::kNone) {
    shard.values = values(bucket, slice);
  }
  if (wants.master != Access::kNone) {
    shard.master = masters_ ? owned(masters_, slice) : values(bucket, slice);
  }
  if (wants.gradient != Access::kNone) {
    shard.gradient =
        gradients_->part(bucket).rows(in_part(bucket, slice), slice.elements);
  }
  for (std::size_t k = 0; wants.states != Access::kNone && k < states_.size();
       ++k) {
    shard.states[k] = owned(states_[k], slice);
  }
  return shard;
}

std::int64_t ParameterStore::in_part(int bucket, const Slice& slice) const {
  return slice.place - part_place(plan_, bucket, parts_);
}

Tensor ParameterStore::values(int bucket, const Slice& slice) const {
  return gathered_->part(bucket).rows(in_part(bucket, slice), slice.elements);
}

Tensor ParameterStore::owned(const OwnedTensor& all, const Slice& slice) const {
  return all.rows(owned_places_[slice.weight] + slice.offset, slice.elements);
}

Tensor ParameterStore::masters(int bucket) const {
  if (!masters_) {
    return gathered_->part(bucket);
  }
  std::int64_t first = owned_elements_;
  std::int64_t elements = 0;
  for (const Slice& slice : slices(bucket)) {
    first = std::min(first, owned_places_[slice.weight] + slice.offset);
    elements += slice.elements;
  }
  return masters_.rows(first, elements);
}

void ParameterStore::all_gather() {
  assert(held_ == 0);
  gathered_->all_gather();
}

void ParameterStore::broadcast() {
  for (std::size_t b = 0; b < plan_.buckets.size(); ++b) {
    const int bucket = static_cast<int>(b);
    groups(bucket).replicate->run(stream_,
                                  comm::Broadcast{.x = masters(bucket)});
    for (const Slice& slice : slices(bucket)) {
      if (masters_) {
        launch(stream_,
               kernels::Copy{.y = values(bucket, slice),
                             .x = owned(masters_, slice)});
      }
    }
  }
  all_gather();
}

void ParameterStore::begin(int unit,
                           nn::Access access,
                           const nn::Context& ctx) {
  if (nn::reads_parameters(access)) {
    gathered_->begin(unit, ctx.phase);
    if (versions_ && ctx.phase == nn::Phase::kTrain) {
      versions_->begin(unit, ctx.micro_batch);
    }
  }
  if (nn::writes_gradients(access)) {
    gradients_->begin(unit, ctx.micro_batch);
  }
}

void ParameterStore::end(int unit, nn::Access access, const nn::Context& ctx) {
  if (nn::reads_parameters(access)) {
    if (versions_ && ctx.phase == nn::Phase::kTrain) {
      versions_->end(unit, ctx.micro_batch);
    }
    gathered_->end(unit);
  }
  if (nn::writes_gradients(access)) {
    gradients_->end(unit, ctx.micro_batch);
  }
}

void ParameterStore::begin_step(std::span<const nn::Visit> visits) {
  assert(held_ == 0);
  gathered_->begin_step(visits);
  gradients_->begin_step(visits);
}

void ParameterStore::finish_gradients() {
  gradients_->finish();
}

void ParameterStore::begin_overlap(std::vector<int> versions) {
  if (versions.empty()) {
    return;
  }
  DURE_CHECK(stage_ < 3,
             "steps overlap at ZeRO's stages 0 to 2, whose ranks have all "
             "values; wanted one of these, got {}",
             stage_);
  if (!versions_) {
    versions_.emplace(place());
  }
  versions_->begin_overlap(std::move(versions));
}

void ParameterStore::before_update(int last_micro_batch) {
  if (versions_) {
    wait();
    versions_->before_update(last_micro_batch);
  }
}

}  // namespace dure::parallel
