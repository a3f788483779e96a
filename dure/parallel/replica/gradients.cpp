#include "dure/parallel/replica/gradients.h"

#include <utility>

#include "dure/kernels/elementwise.h"

namespace dure::parallel {
namespace {

// Buckets on their way at once: one travels while the next is filled.
constexpr std::size_t kMostPending = 2;

}  // namespace

Gradients::Gradients(const Place& place, Storage storage, Order order)
    : place_(place),
      storage_(storage),
      order_(order),
      memory_(place.plan.buckets.size()),
      unready_(place.plan.buckets.size()) {
  const BucketPlan& plan = place_.plan;
  const std::int64_t keepers =
      storage == Storage::kWhole ? 1 : place_.groups.part().count;
  flat_ = place_.arena.tensor({plan.elements / keepers}, Category::kGradients);
  for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
    const Bucket& bucket = plan.buckets[b];
    for (const int unit : bucket.units) {
      buckets_of_unit_[unit].push_back(static_cast<int>(b));
    }
    if (storage == Storage::kWhole) {
      point(static_cast<int>(b), flat_.rows(bucket.offset, bucket.elements));
    }
  }
}

Gradients::~Gradients() = default;

// The gradients of a bucket's weights are in `memory` from now on; nowhere,
// where that is empty.
void Gradients::point(int bucket, Tensor memory) {
  const Bucket& planned = place_.plan.buckets[static_cast<std::size_t>(bucket)];
  for (int w = planned.first; w < planned.last; ++w) {
    const auto i = static_cast<std::size_t>(w);
    nn::Parameter& parameter = place_.parameters.all()[i];
    const Shape shape = parameter.gradient.shape();
    if (memory) {
      parameter.gradient = memory
                               .rows(place_.plan.offsets[i] - planned.offset,
                                     place_.plan.lengths[i])
                               .reshaped(shape);
    } else {
      parameter.gradient = Tensor(nullptr, shape, DType::kF32);
    }
  }
}

void Gradients::begin_step() {
  micro_batches_ = 0;
  if (order_ == Order::kRanked) {
    launch(place_.stream, kernels::Fill{.y = flat_, .value = 0});
  }
}

void Gradients::begin_micro_batch(MicroBatch micro_batch) {
  micro_batch_ = micro_batch;
  ++micro_batches_;
  for (std::size_t b = 0; b < unready_.size(); ++b) {
    unready_[b] = static_cast<int>(place_.plan.buckets[b].units.size());
  }
  if (storage_ == Storage::kParts || micro_batches_ == 1) {
    for (nn::Parameter& parameter : place_.parameters.all()) {
      parameter.next_write = kernels::Write::kOverwrite;
    }
  }
}

void Gradients::begin(int unit) {
  if (storage_ == Storage::kWhole) {
    return;
  }
  for (const int bucket : buckets_of_unit_[unit]) {
    OwnedTensor& memory = memory_[static_cast<std::size_t>(bucket)];
    if (!memory) {
      memory = place_.arena.tensor(
          {place_.plan.buckets[static_cast<std::size_t>(bucket)].elements},
          Category::kCommunication);
      point(bucket, memory);
    }
  }
}

void Gradients::end(int unit) {
  const std::vector<int>& buckets = buckets_of_unit_[unit];
  for (std::size_t i = buckets.size(); i-- > 0;) {
    if (--unready_[static_cast<std::size_t>(buckets[i])] == 0) {
      ready(buckets[i]);
    }
  }
}

// Of weights that took no part in the micro-batch.
void Gradients::clear_unwritten(int bucket) {
  const Bucket& planned = place_.plan.buckets[static_cast<std::size_t>(bucket)];
  for (int w = planned.first; w < planned.last; ++w) {
    nn::Parameter& parameter =
        place_.parameters.all()[static_cast<std::size_t>(w)];
    if (parameter.take_write() == kernels::Write::kOverwrite) {
      launch(place_.stream, kernels::Fill{.y = parameter.gradient, .value = 0});
    }
  }
}

void Gradients::ready(int bucket) {
  if (storage_ == Storage::kWhole && micro_batch_ == MicroBatch::kMore) {
    return;
  }
  clear_unwritten(bucket);
  // Never earlier, though it may be done: so memory does not depend on timing.
  if (pending_.size() == kMostPending) {
    settle_front();
  }
  if (order_ == Order::kRanked) {
    start_ranked(bucket);
  } else {
    start_fast(bucket);
  }
}

// The memory goes with it: the next micro-batch may begin to write anew.
Gradients::Pending Gradients::take(int bucket) {
  Pending pending;
  pending.bucket = bucket;
  pending.micro_batch = micro_batch_;
  if (storage_ == Storage::kParts) {
    pending.given = std::move(memory_[static_cast<std::size_t>(bucket)]);
    point(bucket, Tensor());
  }
  return pending;
}

void Gradients::start_fast(int bucket) {
  const Bucket& planned = place_.plan.buckets[static_cast<std::size_t>(bucket)];
  Pending pending = take(bucket);
  const Tensor whole = storage_ == Storage::kWhole
                           ? flat_.rows(planned.offset, planned.elements)
                           : pending.given;
  Tensor sum = part(bucket);
  if (storage_ == Storage::kParts && micro_batches_ > 1) {
    pending.received =
        place_.arena.tensor({sum.elements()}, Category::kCommunication);
    sum = pending.received;
  }
  if (sum.bytes() != whole.bytes() || place_.groups.shard->size() > 1) {
    pending.work = comm::TracedWork(place_.stream,
                                    *place_.groups.shard,
                                    "reduce_scatter gradients",
                                    comm::ReduceScatter{.y = sum, .x = whole});
  }
  pending_.push_back(std::move(pending));
}

void Gradients::start_ranked(int bucket) {
  Pending pending = take(bucket);
  pending.received =
      place_.arena.tensor(pending.given.shape(), Category::kCommunication);
  pending.work = comm::TracedWork(
      place_.stream,
      *place_.groups.exchange,
      "all_to_all gradients",
      comm::AllToAll{.y = pending.received, .x = pending.given});
  pending_.push_back(std::move(pending));
}

void Gradients::settle_front() {
  Pending pending = std::move(pending_.front());
  pending_.erase(pending_.begin());
  pending.work.wait();
  if (order_ == Order::kRanked) {
    add_ranked(pending);
  } else if (pending.received) {
    launch(place_.stream,
           kernels::Add{.y = part(pending.bucket),
                        .a = part(pending.bucket),
                        .b = pending.received});
  }
  if (pending.micro_batch == MicroBatch::kLast) {
    across_groups(pending.bucket);
  }
}

// The elements that this rank alone adds up: of its part, its own share.
Tensor Gradients::keeper_part(int bucket) const {
  const comm::Communicator& replicate = *place_.groups.replicate;
  const Tensor mine = part(bucket);
  const std::int64_t length = mine.elements() / replicate.size();
  return mine.rows(replicate.rank() * length, length);
}

void Gradients::add_ranked(const Pending& pending) {
  const Tensor sum = keeper_part(pending.bucket);
  for (const int rank : place_.groups.by_data) {
    launch(place_.stream,
           kernels::Add{.y = sum,
                        .a = sum,
                        .b = pending.received.rows(rank * sum.elements(),
                                                   sum.elements())});
  }
}

void Gradients::across_groups(int bucket) {
  comm::Communicator& replicate = *place_.groups.replicate;
  if (replicate.size() == 1) {
    return;  // nobody else keeps this part
  }
  const Tensor mine = part(bucket);
  if (order_ == Order::kRanked) {
    across_.emplace_back(place_.stream,
                         replicate,
                         "all_gather gradients",
                         comm::AllGather{.y = mine, .x = keeper_part(bucket)});
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
}

Tensor Gradients::part(int bucket) const {
  const Bucket& planned = place_.plan.buckets[static_cast<std::size_t>(bucket)];
  const PartOf part = place_.groups.part();
  const std::int64_t length = part_elements(planned, part);
  return storage_ == Storage::kWhole
             ? flat_.rows(planned.offset + part.index * length, length)
             : flat_.rows(part_place(place_.plan, bucket, part), length);
}

}  // namespace dure::parallel
