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
    const Tensor whole = place_.bucket_in(sums_, bucket);
    InFlight started = {.bucket = bucket};
    if (place_.part(bucket).count == 1) {
      return started;
    }
    if (place_.reduce == place_.gradient) {
      started.work = reduce_scatter(place_, bucket, part(bucket), whole);
      return started;
    }
    const auto room = [&](std::int64_t elements) {
      return place_.arena.tensor(
          {elements}, Category::kCommunication, place_.reduce);
    };
    started.sent = room(whole.elements());
    launch(place_.stream, kernels::Copy{.y = started.sent, .x = whole});
    started.received = room(part(bucket).elements());
    started.work =
        reduce_scatter(place_, bucket, started.received, started.sent);
    return started;
  }

  void add_received(const InFlight& done) override {
    if (done.received) {  // else it was received in place
      launch(place_.stream,
             kernels::Copy{.y = part(done.bucket), .x = done.received});
    }
  }

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
  // A bucket's first sum of a step is received where the others are added, if
  // it has that type.
  InFlight start(Summand summand) override {
    const int bucket = summand.bucket;
    InFlight started = {.bucket = bucket, .sent = take_to_send(summand)};
    Tensor sum = part(bucket);
    if (has_sum_[bucket] != 0 || sum.dtype() != place_.reduce) {
      started.received = place_.arena.tensor(
          {sum.elements()}, Category::kCommunication, place_.reduce);
      sum = started.received;
    } else {
      has_sum_[bucket] = 1;
    }
    started.work = reduce_scatter(place_, bucket, sum, started.sent);
    return started;
  }

  void add_received(const InFlight& done) override {
    if (!done.received) {
      return;
    }
    const Tensor sum = part(done.bucket);
    if (has_sum_[done.bucket] == 0) {
      has_sum_[done.bucket] = 1;
      launch(place_.stream, kernels::Copy{.y = sum, .x = done.received});
    } else {
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
