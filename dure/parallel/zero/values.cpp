#include "dure/parallel/zero/values.h"

#include <algorithm>
#include <map>
#include <utility>

namespace dure::parallel {
namespace {

using Place = Gradients::Place;

const Bucket& bucket_of(const Place& place, int bucket) {
  return place.plan.buckets[static_cast<std::size_t>(bucket)];
}

// The values of a bucket's weights are in `memory` from now on; nowhere, where
// that is empty.
void point(const Place& place, int bucket, Tensor memory) {
  const Bucket& planned = bucket_of(place, bucket);
  for (int w = planned.first; w < planned.last; ++w) {
    const auto i = static_cast<std::size_t>(w);
    nn::Parameter& parameter = place.parameters.all()[i];
    const Shape shape = parameter.value.shape();
    parameter.value = memory ? memory
                                   .rows(place.plan.offsets[i] - planned.offset,
                                         place.plan.lengths[i])
                                   .reshaped(shape)
                             : Tensor(nullptr, shape, DType::kF32);
  }
}

std::vector<std::vector<int>> buckets_by_unit(const BucketPlan& plan) {
  int last = 0;
  for (const Bucket& bucket : plan.buckets) {
    last = std::max(last, bucket.units.back());
  }
  std::vector<std::vector<int>> buckets;
  for (int unit = 0; unit <= last; ++unit) {
    buckets.push_back(buckets_of_unit(plan, unit));
  }
  return buckets;
}

class WholeValues final : public Values {
 public:
  explicit WholeValues(const Place& place)
      : place_(place),
        flat_(place.arena.tensor({place.plan.elements}, Category::kParameters)),
        buckets_(buckets_by_unit(place.plan)),
        gathers_(place.plan.buckets.size()) {
    for (std::size_t b = 0; b < gathers_.size(); ++b) {
      const int bucket = static_cast<int>(b);
      point(place_, bucket, whole(bucket));
    }
  }

  void begin(int unit, nn::Phase /*phase*/) override {
    for (const int bucket : buckets_[static_cast<std::size_t>(unit)]) {
      wait(bucket);
    }
  }
  void end(int /*unit*/) override {}

  Tensor part(int bucket) const override {
    const PartOf part = place_.groups.part();
    const std::int64_t length = part_elements(bucket_of(place_, bucket), part);
    return whole(bucket).rows(part.index * length, length);
  }

  void publish() override {
    if (place_.groups.part().count == 1) {
      return;  // every rank has updated everything
    }
    for (std::size_t b = 0; b < gathers_.size(); ++b) {
      const int bucket = static_cast<int>(b);
      gathers_[b] = comm::TracedWork(
          place_.stream,
          *place_.groups.gather,
          "all_gather weights",
          comm::AllGather{.y = whole(bucket), .x = part(bucket)});
    }
  }

  void settle() override {
    for (std::size_t b = 0; b < gathers_.size(); ++b) {
      wait(static_cast<int>(b));
    }
  }

 private:
  Tensor whole(int bucket) const {
    const Bucket& planned = bucket_of(place_, bucket);
    return flat_.rows(planned.offset, planned.elements);
  }

  void wait(int bucket) { gathers_[static_cast<std::size_t>(bucket)].wait(); }

  Place place_;
  OwnedTensor flat_;
  std::vector<std::vector<int>> buckets_;  // of each unit
  std::vector<comm::TracedWork> gathers_;  // on their way, by bucket
};

class ShardedValues final : public Values {
 public:
  ShardedValues(const Place& place, int prefetch)
      : place_(place), prefetch_(static_cast<std::size_t>(prefetch)) {
    flat_ =
        place.arena.tensor({place.plan.elements / place.groups.part().count},
                           Category::kParameters);
    buckets_ = buckets_by_unit(place.plan);
  }

  void begin(int unit, nn::Phase phase) override {
    move_to(unit, phase);
    drop_unwanted();
    for (const int wanted : window_) {
      for (const int bucket : of_unit(wanted)) {
        start(bucket);
      }
    }
    for (const int bucket : of_unit(unit)) {
      Gathered& gathered = gathered_.at(bucket);
      gathered.work.wait();
      point(place_, bucket, gathered.memory);
    }
  }

  void end(int unit) override {
    window_.erase(window_.begin());
    for (const int bucket : of_unit(unit)) {
      point(place_, bucket, Tensor());
    }
    drop_unwanted();
  }

  Tensor part(int bucket) const override {
    const PartOf part = place_.groups.part();
    return flat_.rows(part_place(place_.plan, bucket, part),
                      part_elements(bucket_of(place_, bucket), part));
  }

  void publish() override { settle(); }

  void settle() override {
    window_.clear();
    drop_unwanted();
    at_ = 0;
  }

 private:
  struct Gathered {
    OwnedTensor memory;
    comm::TracedWork work;
  };

  const std::vector<int>& of_unit(int unit) const {
    return buckets_[static_cast<std::size_t>(unit)];
  }

  // Finds the unit in the order, from where the pass stands, and what follows
  // it there. A pass that is left in the middle begins anew.
  void move_to(int unit, nn::Phase phase) {
    const std::vector<int> order =
        reading_order(static_cast<int>(buckets_.size()), phase);
    const auto begin = order.begin();
    const auto size = static_cast<std::size_t>(std::ssize(order));
    auto found = std::find(begin + std::min(at_, size), order.end(), unit);
    if (found == order.end()) {
      found = std::find(begin, order.end(), unit);
    }
    at_ = static_cast<std::size_t>(found - begin) + 1;
    const std::size_t last = std::min(at_ + prefetch_, size);
    window_.assign(found, begin + static_cast<std::ptrdiff_t>(last));
  }

  bool is_wanted(int bucket) const {
    return std::any_of(window_.begin(), window_.end(), [&](int unit) {
      const std::vector<int>& all = of_unit(unit);
      return std::find(all.begin(), all.end(), bucket) != all.end();
    });
  }

  void drop_unwanted() {
    for (auto it = gathered_.begin(); it != gathered_.end();) {
      if (is_wanted(it->first)) {
        ++it;
      } else {
        it->second.work.wait();
        it = gathered_.erase(it);
      }
    }
  }

  void start(int bucket) {
    const auto [it, added] = gathered_.try_emplace(bucket);
    if (added) {
      Gathered& gathered = it->second;
      gathered.memory = place_.arena.tensor(
          {bucket_of(place_, bucket).elements}, Category::kCommunication);
      gathered.work = comm::TracedWork(
          place_.stream,
          *place_.groups.gather,
          "all_gather weights",
          comm::AllGather{.y = gathered.memory, .x = part(bucket)});
    }
  }

  Place place_;
  std::size_t prefetch_;
  OwnedTensor flat_;                       // this rank's parts
  std::vector<std::vector<int>> buckets_;  // of each unit
  std::map<int, Gathered> gathered_;
  std::vector<int> window_;  // the unit that runs, and those after it
  std::size_t at_ = 0;       // in the order: the place after it
};

}  // namespace

std::unique_ptr<Values> make_whole_values(const Place& place) {
  return std::make_unique<WholeValues>(place);
}

std::unique_ptr<Values> make_sharded_values(const Place& place, int prefetch) {
  return std::make_unique<ShardedValues>(place, prefetch);
}

std::vector<int> reading_order(int units, nn::Phase phase) {
  std::vector<int> order;
  for (int unit = 0; unit < units; ++unit) {
    order.push_back(unit);
  }
  if (phase == nn::Phase::kTrain) {
    for (int unit = units - 2; unit > 0; --unit) {
      order.push_back(unit);
    }
  }
  return order;
}

}  // namespace dure::parallel
