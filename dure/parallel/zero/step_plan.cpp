#include "dure/parallel/zero/step_plan.h"

#include <algorithm>
#include <deque>
#include <set>

#include "dure/base/check.h"
#include "dure/parallel/zero/values.h"

namespace dure::parallel {
namespace {

using nn::Phase;
using nn::Uses;

constexpr std::size_t kMostPending = 2;  // gradients.cpp's

int units_of(const BucketPlan& plan) {
  int last = 0;
  for (const Bucket& bucket : plan.buckets) {
    last = std::max(last, bucket.units.back());
  }
  return last + 1;
}

// Goes through a step as Values and Gradients do, and counts.
class Replay {
 public:
  Replay(const BucketPlan& plan, const StepOf& step)
      : plan_(plan),
        step_(step),
        ranked_(step.order == Gradients::Order::kRanked),
        parts_(step.stage >= 2 || ranked_),
        order_(reading_order(units_of(plan), Phase::kTrain)) {
    for (int unit = 0; unit < units_of(plan); ++unit) {
      buckets_.push_back(buckets_of_unit(plan, unit));
    }
  }

  StepPlan run() {
    for (micro_batch_ = 0; micro_batch_ < step_.micro_batches; ++micro_batch_) {
      micro_batch();
    }
    settle(0);
    if (step_.stage < 3 && step_.shard_size > 1) {
      result_.elements.all_gather += plan_.elements;
    }
    return result_;
  }

 private:
  bool is_last() const { return micro_batch_ + 1 == step_.micro_batches; }
  const std::vector<int>& of_unit(int unit) const {
    return buckets_[static_cast<std::size_t>(unit)];
  }
  std::int64_t elements(int bucket) const {
    return plan_.buckets[static_cast<std::size_t>(bucket)].elements;
  }

  void micro_batch() {
    unready_.clear();
    for (const Bucket& bucket : plan_.buckets) {
      unready_.push_back(bucket.units.size());
    }
    std::size_t read = 0;  // in order_
    for (const Visit& visit : visits(units_of(plan_))) {
      const bool reads = nn::reads_values(visit.uses);
      if (reads) {
        keep_gathered(read,
                      read + 1 + static_cast<std::size_t>(step_.prefetch));
      }
      if (nn::writes_gradients(visit.uses)) {
        open(visit.unit);
      }
      if (reads) {
        drop_gathered(read + 1,
                      read + 1 + static_cast<std::size_t>(step_.prefetch));
        ++read;
      }
      if (nn::writes_gradients(visit.uses)) {
        close(visit.unit);
      }
    }
  }

  // Buckets of the units from `first` to `last` in the order of reading.
  std::set<int> wanted(std::size_t first, std::size_t last) const {
    std::set<int> buckets;
    for (std::size_t i = first; i < std::min(last, order_.size()); ++i) {
      buckets.insert(of_unit(order_[i]).begin(), of_unit(order_[i]).end());
    }
    return buckets;
  }

  void drop_gathered(std::size_t first, std::size_t last) {
    const std::set<int> keep = wanted(first, last);
    for (auto it = gathered_.begin(); it != gathered_.end();) {
      if (keep.count(*it) > 0) {
        ++it;
      } else {
        hold(-elements(*it));
        it = gathered_.erase(it);
      }
    }
  }

  void keep_gathered(std::size_t first, std::size_t last) {
    if (step_.stage < 3) {
      return;
    }
    drop_gathered(first, last);
    for (const int bucket : wanted(first, last)) {
      if (gathered_.insert(bucket).second) {
        hold(elements(bucket));
        result_.elements.all_gather += elements(bucket);
      }
    }
  }

  void open(int unit) {
    for (const int bucket : of_unit(unit)) {
      if (parts_ && open_.insert(bucket).second) {
        hold(elements(bucket));
      }
    }
  }

  void close(int unit) {
    const std::vector<int>& buckets = of_unit(unit);
    for (auto it = buckets.rbegin(); it != buckets.rend(); ++it) {
      if (--unready_[static_cast<std::size_t>(*it)] == 0 &&
          (parts_ || is_last())) {
        reduce(*it);
      }
    }
  }

  void reduce(int bucket) {
    settle(kMostPending - 1);
    const std::int64_t whole = elements(bucket);
    const std::int64_t part = whole / step_.shard_size;
    StepElements& count = result_.elements;
    std::int64_t received = 0;
    if (ranked_) {
      received = whole;
      count.all_to_all += whole;
    } else {
      received = parts_ && micro_batch_ > 0 ? part : 0;
      count.reduce_scatter += parts_ || step_.shard_size > 1 ? whole : 0;
    }
    hold(received);
    open_.erase(bucket);
    pending_.push_back(received + (parts_ ? whole : 0));
    if (is_last() && step_.shard_size < plan_.parts) {
      (ranked_ ? count.all_gather_sums : count.all_reduce) += part;
    }
  }

  // Until so many are pending.
  void settle(std::size_t most) {
    while (pending_.size() > most) {
      hold(-pending_.front());
      pending_.pop_front();
    }
  }

  void hold(std::int64_t elements) {
    held_ += elements;
    const auto bytes = held_ * static_cast<std::int64_t>(sizeof(float));
    result_.peak_bytes = std::max(result_.peak_bytes, bytes);
  }

  const BucketPlan& plan_;
  StepOf step_;
  bool ranked_;
  bool parts_;              // whether only parts of gradients are kept
  std::vector<int> order_;  // of units, as they read
  std::vector<std::vector<int>> buckets_;  // of each unit
  int micro_batch_ = 0;
  std::vector<std::size_t> unready_;  // units that are to write to each bucket
  std::set<int> gathered_;
  std::set<int> open_;                // gradients that are being written
  std::deque<std::int64_t> pending_;  // elements of buckets on their way
  std::int64_t held_ = 0;
  StepPlan result_;
};

}  // namespace

std::vector<Visit> visits(int units) {
  std::vector<Visit> result;
  for (int unit = 0; unit + 1 < units; ++unit) {
    result.push_back({unit, Uses::kValues});
  }
  result.push_back({units - 1, Uses::kBoth});
  for (int unit = units - 2; unit > 0; --unit) {
    result.push_back({unit, Uses::kBoth});
  }
  result.push_back({0, Uses::kGradients});
  return result;
}

StepPlan plan_step(const BucketPlan& plan, const StepOf& step) {
  DURE_CHECK(step.shard_size >= 1 && plan.parts % step.shard_size == 0,
             "wanted a divisor of ",
             plan.parts,
             " parts, got ",
             step.shard_size);
  return Replay(plan, step).run();
}

}  // namespace dure::parallel
