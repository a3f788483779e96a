#include "dure/parallel/zero/parameter_store.h"

#include <utility>

#include "dure/base/check.h"

namespace dure::parallel {
namespace {

int shard_size(const StoreOptions& options, const comm::Communicator& data) {
  if (options.stage == 0) {
    return 1;
  }
  return options.shard_size == 0 ? data.size() : options.shard_size;
}

BucketPlan plan_of(const nn::ParameterSet& parameters,
                   const StoreOptions& options,
                   int ranks) {
  std::vector<PlannedWeight> weights;
  for (const nn::Parameter& parameter : parameters.all()) {
    weights.push_back({.elements = parameter.value.elements(),
                       .units = parameter.units,
                       .group = parameter.group});
  }
  return plan_buckets(
      weights,
      {.first_bytes = options.first_bucket_bytes,
       .bytes = options.bucket_bytes,
       .parts = ranks,
       .cut = options.stage == 3 ? BucketCut::kByUnits : BucketCut::kBySize});
}

// Ranked sums exchange the summands of every micro-batch: nothing is kept but
// parts.
Gradients::Storage storage_of(const StoreOptions& options) {
  return options.stage >= 2 || options.order == Gradients::Order::kRanked
             ? Gradients::Storage::kParts
             : Gradients::Storage::kWhole;
}

}  // namespace

ParameterStore::ParameterStore(Stream& stream,
                               Arena& arena,
                               nn::ParameterSet& parameters,
                               comm::Communicator& data,
                               const StoreOptions& options)
    : stream_(stream),
      arena_(arena),
      parameters_(parameters),
      groups_(make_replica_groups(data, shard_size(options, data))),
      plan_(plan_of(parameters, options, data.size())),
      stage_(options.stage) {
  values_ = options.stage == 3
                ? make_sharded_values(place(), options.prefetch, options.gather)
                : make_whole_values(place());
  if (options.gradients == WithGradients::kYes) {
    gradients_ = std::make_unique<Gradients>(
        place(), storage_of(options), options.order, options.tied);
  }
  kept_ = find_kept();
  parameters.set_home(*this);
}

ParameterStore::~ParameterStore() = default;

std::vector<Kept> ParameterStore::find_kept() const {
  const PartOf part = groups_.part();
  std::vector<Kept> kept;
  for (const Slice& slice : slices_of(plan_, part)) {
    const nn::Parameter& parameter =
        parameters_.all()[static_cast<std::size_t>(slice.weight)];
    const std::int64_t first =
        slice.place - part_place(plan_, slice.bucket, part);
    const Shape shape = slice.elements == parameter.value.elements()
                            ? parameter.value.shape()
                            : Shape{slice.elements};
    const auto cut = [&](Tensor whole) {
      return whole.rows(first, slice.elements).reshaped(shape);
    };
    kept.push_back({.weight = slice.weight,
                    .offset = slice.offset,
                    .value = cut(values_->part(slice.bucket)),
                    .gradient = gradients_ != nullptr
                                    ? cut(gradients_->part(slice.bucket))
                                    : Tensor()});
  }
  return kept;
}

void ParameterStore::share() {
  for (std::size_t b = 0; b < plan_.buckets.size(); ++b) {
    groups_.replicate->run(
        stream_, comm::Broadcast{.x = values_->part(static_cast<int>(b))});
  }
  publish();
}

void ParameterStore::begin(int unit, nn::Uses uses, const nn::Context& ctx) {
  if (nn::reads_values(uses)) {
    values_->begin(unit, ctx.phase);
    if (versions_ && ctx.phase == nn::Phase::kTrain) {
      versions_->begin(unit, ctx.micro_batch);
    }
  }
  if (nn::writes_gradients(uses)) {
    gradients_->begin(unit, ctx.micro_batch);
  }
}

void ParameterStore::end(int unit, nn::Uses uses, const nn::Context& ctx) {
  if (nn::reads_values(uses)) {
    if (versions_ && ctx.phase == nn::Phase::kTrain) {
      versions_->end(unit, ctx.micro_batch);
    }
    values_->end(unit);
  }
  if (nn::writes_gradients(uses)) {
    gradients_->end(unit, ctx.micro_batch);
  }
}

void ParameterStore::begin_step(std::span<const nn::Visit> visits) {
  values_->begin_step(visits);
  gradients_->begin_step(visits);
}

void ParameterStore::finish_gradients() {
  gradients_->finish();
}

void ParameterStore::begin_overlap(std::vector<int> versions) {
  DURE_CHECK(stage_ < 3,
             "steps overlap at ZeRO's stages 0 to 2, whose ranks have all "
             "values; wanted one of these, got ",
             stage_);
  if (!versions_) {
    versions_.emplace(place());
  }
  versions_->begin_overlap(std::move(versions));
}

void ParameterStore::before_update(int last_micro_batch) {
  settle();
  versions_->before_update(last_micro_batch);
}

}  // namespace dure::parallel
