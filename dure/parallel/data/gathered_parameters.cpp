#include "dure/parallel/data/gathered_parameters.h"

#include <algorithm>
#include <map>
#include <utility>

#include "dure/base/check.h"
#include "dure/comm/traced_work.h"

namespace dure::parallel {
namespace {

comm::AllGather gather_of(const StorePlace& place,
                          int bucket,
                          Tensor whole,
                          Tensor part) {
  return {
      .y = whole,
      .x = part,
      .counts = part_counts(place.bucket(bucket), place.part(bucket).count)};
}

class ReplicatedParameters final : public GatheredParameters {
 public:
  explicit ReplicatedParameters(const StorePlace& place)
      : place_(place),
        flat_(place.arena.tensor(
            {place.plan.elements}, Category::kParameters, place.value_type())),
        buckets_(place.plan),
        gathers_(place.plan.buckets.size()) {
    for (std::size_t b = 0; b < gathers_.size(); ++b) {
      const int bucket = static_cast<int>(b);
      place_.point(bucket, &nn::Parameter::value, whole(bucket));
    }
  }

  void begin_step(std::span<const nn::Visit> /*visits*/) override {}

  void begin(int unit, nn::Phase /*phase*/) override {
    for (const int bucket : buckets_.of(unit)) {
      wait(bucket);
    }
  }
  void end(int /*unit*/) override {}

  Tensor part(int bucket) const override {
    return place_.part_in(flat_, bucket);
  }

  void all_gather() override {
    for (std::size_t b = 0; b < gathers_.size(); ++b) {
      const int bucket = static_cast<int>(b);
      if (place_.part(bucket).count == 1) {
        continue;  // every rank has updated all of it
      }
      gathers_[b] = comm::TracedWork(
          place_.stream,
          *place_.groups_of(bucket).gather,
          "all_gather weights",
          gather_of(place_, bucket, whole(bucket), part(bucket)));
    }
  }

  void wait() override {
    for (std::size_t b = 0; b < gathers_.size(); ++b) {
      wait(static_cast<int>(b));
    }
  }

 private:
  Tensor whole(int bucket) const { return place_.bucket_in(flat_, bucket); }

  void wait(int bucket) { gathers_[bucket].wait(); }

  StorePlace place_;
  OwnedTensor flat_;
  UnitBuckets buckets_;
  std::vector<comm::TracedWork> gathers_;  // in flight, by bucket
};

class ShardedParameters final : public GatheredParameters {
 public:
  ShardedParameters(const StorePlace& place, int prefetch, Reshard gather)
      : place_(place),
        prefetch_(static_cast<std::size_t>(prefetch)),
        gather_(gather),
        buckets_(place.plan),
        units_(buckets_.units()) {
    flat_ = place.arena.tensor({part_elements(place.plan, place.parts)},
                               Category::kParameters,
                               place.value_type());
  }

  void begin_step(std::span<const nn::Visit> visits) override {
    wait();
    order_ = reading_order(visits);
    last_reading_ = last_readings(place_.plan, order_);
    at_ = 0;
  }

  void begin(int unit, nn::Phase phase) override {
    if (phase == nn::Phase::kTrain) {
      move_in_step(unit);
    } else {
      move_in_pass(unit);
    }
    drop_unwanted();
    for (const int wanted : window_) {
      for (const int bucket : buckets_.of(wanted)) {
        start(bucket);
      }
    }
    for (const int bucket : buckets_.of(unit)) {
      Gathered& gathered = gathered_.at(bucket);
      gathered.work.wait();
      place_.point(bucket, &nn::Parameter::value, gathered.memory);
    }
  }

  void end(int unit) override {
    if (!window_.empty()) {
      window_.erase(window_.begin());
    }
    for (const int bucket : buckets_.of(unit)) {
      place_.point(bucket, &nn::Parameter::value, Tensor());
    }
    drop_unwanted();
  }

  Tensor part(int bucket) const override {
    return place_.part_in_parts(flat_, bucket);
  }

  void all_gather() override { wait(); }

  void wait() override {
    window_.clear();
    last_reading_.clear();
    drop_unwanted();
  }

 private:
  struct Gathered {
    OwnedTensor memory;
    comm::TracedWork work;
  };

  void move_in_step(int unit) {
    DURE_CHECK(at_ < order_.size() && order_[at_] == unit,
               "unit {} reads its weights as reading {} of {}, which is not "
               "what the step's visits say",
               unit,
               at_ + 1,
               order_.size());
    const std::size_t last = std::min(at_ + 1 + prefetch_, order_.size());
    window_.assign(order_.begin() + static_cast<std::ptrdiff_t>(at_),
                   order_.begin() + static_cast<std::ptrdiff_t>(last));
    ++at_;
  }

  void move_in_pass(int unit) {
    const auto found = std::lower_bound(units_.begin(), units_.end(), unit);
    const auto first = static_cast<std::size_t>(found - units_.begin());
    const std::size_t count = std::min(1 + prefetch_, units_.size());
    window_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      window_.push_back(units_[(first + i) % units_.size()]);
    }
  }

  // Whether a visit of the window reads it, or, with kAfterStep, a later one.
  bool is_wanted(int bucket) const {
    const auto b = static_cast<std::size_t>(bucket);
    if (gather_ == Reshard::kAfterStep && b < last_reading_.size() &&
        last_reading_[b] >= static_cast<std::ptrdiff_t>(at_)) {
      return true;
    }
    return std::any_of(window_.begin(), window_.end(), [&](int unit) {
      const std::vector<int>& all = buckets_.of(unit);
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
      gathered.memory = place_.arena.tensor({place_.bucket(bucket).elements},
                                            Category::kCommunication,
                                            flat_.dtype());
      gathered.work = comm::TracedWork(
          place_.stream,
          *place_.groups_of(bucket).gather,
          "all_gather weights",
          gather_of(place_, bucket, gathered.memory, part(bucket)));
      gathered.memory.used_until(gathered.work.event());
    }
  }

  StorePlace place_;
  std::size_t prefetch_;
  Reshard gather_;
  UnitBuckets buckets_;
  std::vector<int> units_;  // that have weights here
  OwnedTensor flat_;        // this rank's parts
  std::map<int, Gathered> gathered_;
  std::vector<int> order_;  // of the step
  std::vector<std::ptrdiff_t> last_reading_;
  std::vector<int> window_;  // the unit that runs, and those after it
  std::size_t at_ = 0;       // in the order: the place after it
};

}  // namespace

std::unique_ptr<GatheredParameters> make_replicated_parameters(
    const StorePlace& place) {
  return std::make_unique<ReplicatedParameters>(place);
}

std::unique_ptr<GatheredParameters> make_sharded_parameters(
    const StorePlace& place, int prefetch, Reshard gather) {
  return std::make_unique<ShardedParameters>(place, prefetch, gather);
}

std::vector<int> reading_order(std::span<const nn::Visit> visits) {
  std::vector<int> order;
  for (const nn::Visit& visit : visits) {
    if (nn::reads_parameters(visit.access)) {
      order.push_back(visit.unit);
    }
  }
  return order;
}

std::vector<std::ptrdiff_t> last_readings(const BucketPlan& plan,
                                          std::span<const int> order) {
  const UnitBuckets buckets(plan);
  std::vector<std::ptrdiff_t> last(plan.buckets.size(), -1);
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (const int bucket : buckets.of(order[i])) {
      last[bucket] = static_cast<std::ptrdiff_t>(i);
    }
  }
  return last;
}

}  // namespace dure::parallel
