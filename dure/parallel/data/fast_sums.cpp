#include <algorithm>
#include <vector>

#include "dure/kernels/elementwise.h"
#include "dure/parallel/data/gradient_reducer.h"
#include "dure/parallel/data/parts_reducer.h"

namespace dure::parallel {
namespace {

comm::TracedWork reduce_scatter(const StorePlace& place,
                                int bucket,
                                Tensor sum,
                                Tensor whole) {
  comm::Communicator& shard = *place.groups_of(bucket).shard;
  return {place.stream,
          shard,
          "reduce_scatter gradients",
          comm::ReduceScatter{
              .y = sum,
              .x = whole,
              .counts = part_counts(place.bucket(bucket), shard.size())}};
}

comm::TracedWork all_reduce(const StorePlace& place, int bucket, Tensor sum) {
  return {place.stream,
          *place.groups_of(bucket).replicate,
          "all_reduce gradients",
          comm::AllReduce{.y = sum, .x = sum}};
}

class SumWhole : public QueuedReducer {
 public:
  explicit SumWhole(const StorePlace& place)
      : QueuedReducer(place, place.plan.elements) {
    for (std::size_t b = 0; b < place.plan.buckets.size(); ++b) {
      const int bucket = static_cast<int>(b);
      place_.point(
          bucket, &nn::Parameter::gradient, place_.bucket_in(sums_, bucket));
    }
  }

  ReduceEvery every() const override { return ReduceEvery::kStep; }

  void begin_step() override {
    for (nn::Parameter& parameter : place_.parameters.all()) {
      parameter.next_write = kernels::Write::kOverwrite;
    }
  }

  void open(Summand /*summand*/) override {}
  void close(Summand /*summand*/) override {}

  Tensor part(int bucket) const override {
    return place_.part_in(sums_, bucket);
  }

 private:
  InFlight start(Summand summand) override {
    const int bucket = summand.bucket;
    InFlight started = {.bucket = bucket};
    if (place_.part(bucket).count > 1) {
      started.work = reduce_scatter(
          place_, bucket, part(bucket), place_.bucket_in(sums_, bucket));
    }
    return started;
  }

  void add_received(const InFlight& /*done*/) override {}  // received in place

  comm::TracedWork start_across(int bucket) override {
    return all_reduce(place_, bucket, part(bucket));
  }
};

class LocalWhole final : public SumWhole {
 public:
  using SumWhole::SumWhole;
  void reduce(Summand /*summand*/, int /*left*/) override {}
};

class SumParts final : public PartsReducer {
 public:
  explicit SumParts(const StorePlace& place)
      : PartsReducer(place), has_sum_(place.plan.buckets.size()) {}

  void begin_step() override { std::fill(has_sum_.begin(), has_sum_.end(), 0); }

 private:
  // A bucket's first sum of a step is received where the others are added.
  InFlight start(Summand summand) override {
    const int bucket = summand.bucket;
    InFlight started = {.bucket = bucket, .sent = take(summand)};
    Tensor sum = part(bucket);
    if (has_sum_[bucket] != 0) {
      started.received = place_.arena.tensor(
          {sum.elements()}, Category::kCommunication, sum.dtype());
      sum = started.received;
    }
    has_sum_[bucket] = 1;
    started.work = reduce_scatter(place_, bucket, sum, started.sent);
    return started;
  }

  void add_received(const InFlight& done) override {
    if (done.received) {
      const Tensor sum = part(done.bucket);
      launch(place_.stream,
             kernels::Add{.y = sum, .a = sum, .b = done.received});
    }
  }

  comm::TracedWork start_across(int bucket) override {
    return all_reduce(place_, bucket, part(bucket));
  }

  std::vector<char> has_sum_;  // of this step, by bucket
};

}  // namespace

std::unique_ptr<GradientReducer> make_sum_whole(const StorePlace& place) {
  return std::make_unique<SumWhole>(place);
}

std::unique_ptr<GradientReducer> make_sum_parts(const StorePlace& place) {
  return std::make_unique<SumParts>(place);
}

std::unique_ptr<GradientReducer> make_local_whole(const StorePlace& place) {
  return std::make_unique<LocalWhole>(place);
}

}  // namespace dure::parallel
