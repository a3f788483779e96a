#include "dure/parallel/data/gradients.h"

#include <algorithm>
#include <utility>

#include "dure/base/check.h"
#include "dure/kernels/elementwise.h"

namespace dure::parallel {
namespace {

// The most buckets in flight: one travels while the next is filled.
constexpr std::size_t kMostPending = 2;

}  // namespace

Gradients::Gradients(const Place& place,
                     Storage storage,
                     comm::SumOrder order,
                     const std::optional<Tied>& tied,
                     kernels::GradientOf of)
    : place_(place),
      storage_(storage),
      order_(order),
      of_(of),
      buckets_(place.plan),
      is_summed_(place.plan.buckets.size()) {
  const BucketPlan& plan = place_.plan;
  if (tied) {
    tied_.emplace(place.stream, *tied->ranks);
    tied_bucket_ = bucket_of(plan, *tied);
  }
  const std::int64_t elements = storage == Storage::kWhole
                                    ? plan.elements
                                    : part_elements(plan, place_.parts);
  flat_ = place_.arena.tensor(
      {elements}, Category::kGradients, place_.gradient_type());
  if (storage == Storage::kWhole) {
    for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
      point(static_cast<int>(b),
            flat_.rows(plan.buckets[b].offset, plan.buckets[b].elements));
    }
  }
}

Gradients::~Gradients() = default;

// With ranked sums, the last stage sends its gradients of the tied bucket to
// the first, which adds to them.
bool Gradients::is_given(int bucket) const {
  return bucket == tied_bucket_ && order_ == comm::SumOrder::kRanked &&
         !tied_->is_first();
}
bool Gradients::is_taken(int bucket) const {
  return bucket == tied_bucket_ && order_ == comm::SumOrder::kRanked &&
         tied_->is_first();
}

// Points the gradients of a bucket's weights into `memory`, or nowhere if that
// is empty.
void Gradients::point(int bucket, Tensor memory) {
  const Bucket& planned = bucket_at(bucket);
  for (int w = planned.first; w < planned.last; ++w) {
    const auto i = static_cast<std::size_t>(w);
    nn::Parameter& parameter = place_.parameters[i];
    const Shape shape = parameter.gradient.shape();
    if (memory) {
      parameter.gradient = memory
                               .rows(place_.plan.offsets[i] - planned.offset,
                                     place_.plan.lengths[i])
                               .reshaped(shape);
    } else {
      parameter.gradient = Tensor(nullptr, shape, flat_.dtype());
    }
  }
}

// Most steps have the visits of the step before.
void Gradients::count(std::span<const nn::Visit> visits) {
  if (!visits_.empty() &&
      std::equal(
          visits.begin(), visits.end(), visits_.begin(), visits_.end())) {
    countdown_.restart();
    return;
  }
  visits_.assign(visits.begin(), visits.end());
  countdown_ =
      Countdown(place_.plan,
                visits,
                storage_ == Storage::kWhole ? ReduceEvery::kStep
                                            : ReduceEvery::kMicroBatch);
  for (const int bucket : countdown_.unvisited()) {
    const Bucket& planned = bucket_at(bucket);
    visits_.clear();  // never begun
    DURE_CHECK(false,
               "no visit of the step writes the gradient of {}",
               place_.parameters[planned.first].name);
  }
}

void Gradients::begin_step(std::span<const nn::Visit> visits) {
  count(visits);
  std::fill(is_summed_.begin(), is_summed_.end(), 0);
  for (nn::Parameter& parameter : place_.parameters.all()) {
    parameter.next_write = kernels::Write::kOverwrite;
  }
  if (order_ == comm::SumOrder::kRanked) {
    launch(place_.stream, kernels::Fill{.y = flat_, .value = 0});
  }
}

// Points the parameters there, with each weight's next write.
void Gradients::open(const Key& key) {
  const Bucket& planned = bucket_at(key.first);
  Open& open = open_[key];
  if (!open.memory) {
    open.memory = place_.arena.tensor(
        {planned.elements}, Category::kCommunication, flat_.dtype());
    if (is_taken(key.first)) {
      tied_->take(open.memory);
    }
    open.writes.assign(static_cast<std::size_t>(planned.last - planned.first),
                       is_taken(key.first) ? kernels::Write::kAdd
                                           : kernels::Write::kOverwrite);
  }
  point(key.first, open.memory);
  for (int w = planned.first; w < planned.last; ++w) {
    place_.parameters[w].next_write = open.writes[w - planned.first];
  }
}

// Keeps each weight's next write until the micro-batch's next visit.
void Gradients::put_away(const Key& key) {
  const Bucket& planned = bucket_at(key.first);
  Open& open = open_.at(key);
  for (int w = planned.first; w < planned.last; ++w) {
    open.writes[w - planned.first] = place_.parameters[w].next_write;
  }
  point(key.first, Tensor());
}

void Gradients::begin(int unit, int micro_batch) {
  if (storage_ == Storage::kWhole) {
    return;
  }
  for (const int bucket : buckets_.of(unit)) {
    open({bucket, micro_batch});
  }
}

void Gradients::end(int unit, int micro_batch) {
  const std::vector<int>& buckets = buckets_.of(unit);
  for (std::size_t i = buckets.size(); i-- > 0;) {
    const Key key = {buckets[i], micro_batch};
    const Countdown::Left left = countdown_.end(buckets[i], micro_batch);
    if (left.visits == 0) {
      ready(key, left.reductions);
    } else if (storage_ == Storage::kParts) {
      put_away(key);
    }
  }
}

// Clears the gradients of weights that the micro-batch did not write.
void Gradients::clear_unwritten(int bucket) {
  const Bucket& planned = bucket_at(bucket);
  for (int w = planned.first; w < planned.last; ++w) {
    nn::Parameter& parameter = place_.parameters[w];
    if (parameter.take_write() == kernels::Write::kOverwrite) {
      launch(place_.stream, kernels::Fill{.y = parameter.gradient, .value = 0});
    }
  }
}

void Gradients::ready(const Key& key, int reductions_left) {
  clear_unwritten(key.first);
  if (is_given(key.first)) {
    tied_->give(std::move(take(key).given));
    return;
  }
  // It is never settled earlier, even if it is done, so memory does not depend
  // on timing.
  if (pending_.size() == kMostPending) {
    settle_front();
  }
  Pending pending = take(key);
  pending.is_last = reductions_left == 0;
  if (order_ == comm::SumOrder::kRanked) {
    start_ranked(std::move(pending));
  } else {
    start_fast(std::move(pending));
  }
}

// Takes the bucket's memory along.
Gradients::Pending Gradients::take(const Key& key) {
  Pending pending;
  pending.bucket = key.first;
  if (storage_ == Storage::kParts) {
    pending.given = std::move(open_.at(key).memory);
    open_.erase(key);
    point(key.first, Tensor());
  }
  return pending;
}

void Gradients::Pending::hold() {
  given.used_until(work.event());
  received.used_until(work.event());
}

void Gradients::start_fast(Pending pending) {
  const auto bucket = static_cast<std::size_t>(pending.bucket);
  const Bucket& planned = bucket_at(pending.bucket);
  const Tensor whole = storage_ == Storage::kWhole
                           ? flat_.rows(planned.offset, planned.elements)
                           : pending.given;
  Tensor sum = part(pending.bucket);
  if (is_summed_[bucket] != 0) {
    pending.received = place_.arena.tensor(
        {sum.elements()}, Category::kCommunication, sum.dtype());
    sum = pending.received;
  }
  is_summed_[bucket] = 1;
  comm::Communicator& shard = *place_.groups_of(pending.bucket).shard;
  if (sum.bytes() != whole.bytes() || shard.size() > 1) {
    pending.work = comm::TracedWork(
        place_.stream,
        shard,
        "reduce_scatter gradients",
        comm::ReduceScatter{.y = sum,
                            .x = whole,
                            .counts = part_counts(planned, shard.size())});
    pending.hold();
  }
  pending_.push_back(std::move(pending));
}

void Gradients::start_ranked(Pending pending) {
  comm::Communicator& exchange = *place_.groups_of(pending.bucket).exchange;
  const int ranks = exchange.size();
  const comm::Counts mine(static_cast<std::size_t>(ranks),
                          keeper_part(pending.bucket).elements());
  pending.received = place_.arena.tensor(
      {ranks * mine.front()}, Category::kCommunication, pending.given.dtype());
  pending.work = comm::TracedWork(
      place_.stream,
      exchange,
      "all_to_all gradients",
      comm::AllToAll{.y = pending.received,
                     .x = pending.given,
                     .x_counts = part_counts(bucket_at(pending.bucket), ranks),
                     .y_counts = mine});
  pending.hold();
  pending_.push_back(std::move(pending));
}

void Gradients::settle_front() {
  Pending pending = std::move(pending_.front());
  pending_.erase(pending_.begin());
  pending.work.wait();
  if (order_ == comm::SumOrder::kRanked) {
    add_ranked(pending);
  } else if (pending.received) {
    launch(place_.stream,
           kernels::Add{.y = part(pending.bucket),
                        .a = part(pending.bucket),
                        .b = pending.received});
  }
  if (pending.is_last) {
    across_groups(pending.bucket);
  }
}

// The share of this rank's part that it alone adds up.
Tensor Gradients::keeper_part(int bucket) const {
  const ReplicaGroups& groups = place_.groups_of(bucket);
  const PartRange own = part_range(
      bucket_at(bucket), {groups.exchange->rank(), groups.exchange->size()});
  const PartRange all = part_range(bucket_at(bucket), groups.part());
  return part(bucket).rows(own.first - all.first, own.elements());
}

// The shares of all ranks that own the part.
comm::Counts Gradients::keeper_counts(int bucket) const {
  const ReplicaGroups& groups = place_.groups_of(bucket);
  const std::vector<std::int64_t> all =
      part_counts(bucket_at(bucket), groups.ranks());
  const std::ptrdiff_t keepers = groups.replicate->size();
  const auto first = all.begin() + groups.part().index * keepers;
  return {first, first + keepers};
}

void Gradients::add_ranked(const Pending& pending) {
  const Tensor sum = keeper_part(pending.bucket);
  for (const int rank : place_.groups_of(pending.bucket).by_data) {
    launch(place_.stream,
           kernels::Add{.y = sum,
                        .a = sum,
                        .b = pending.received.rows(rank * sum.elements(),
                                                   sum.elements())});
  }
}

void Gradients::across_groups(int bucket) {
  comm::Communicator& replicate = *place_.groups_of(bucket).replicate;
  if (replicate.size() == 1 || of_ == kernels::GradientOf::kThisRank) {
    return;  // nobody else owns this part
  }
  const Tensor mine = part(bucket);
  if (order_ == comm::SumOrder::kRanked) {
    across_.emplace_back(place_.stream,
                         replicate,
                         "all_gather gradients",
                         comm::AllGather{.y = mine,
                                         .x = keeper_part(bucket),
                                         .counts = keeper_counts(bucket)});
  } else {
    across_.emplace_back(place_.stream,
                         replicate,
                         "all_reduce gradients",
                         comm::AllReduce{.y = mine, .x = mine});
  }
}

void Gradients::finish() {
  while (!pending_.empty()) {
    settle_front();
  }
  for (comm::TracedWork& work : across_) {
    work.wait();
  }
  across_.clear();
  finish_tied();
}

void Gradients::finish_tied() {
  if (!tied_) {
    return;
  }
  if (order_ == comm::SumOrder::kRanked) {
    tied_->copy_to_last(part(tied_bucket_));
  } else {
    tied_->add_up(part(tied_bucket_));
  }
}

Tensor Gradients::part(int bucket) const {
  const PartRange range = part_range(bucket_at(bucket), place_.part(bucket));
  return flat_.rows(storage_ == Storage::kWhole
                        ? bucket_at(bucket).offset + range.first
                        : part_place(place_.plan, bucket, place_.parts),
                    range.elements());
}

}  // namespace dure::parallel
