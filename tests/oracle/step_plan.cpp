#include "tests/oracle/step_plan.h"

#include <algorithm>
#include <deque>
#include <set>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/parallel/data/countdown.h"

namespace dure::parallel {
namespace {

constexpr std::size_t kMostPending = 2;  // as in queued_reducer.cpp

// Goes through a step as Values and Gradients do, and counts.
class Replay {
 public:
  Replay(const BucketPlan& plan,
         const StepOf& step,
         std::span<const nn::Visit> visits)
      : plan_(plan),
        step_(step),
        visits_(visits),
        ranked_(step.order == comm::SumOrder::kRanked),
        parts_(step.stage >= 2 || ranked_),
        buckets_(plan),
        order_(reading_order(visits)),
        last_reading_(last_readings(plan, order_)),
        countdown_(plan,
                   visits,
                   parts_ ? ReduceEvery::kMicroBatch : ReduceEvery::kStep) {}

  StepPlan run() {
    for (const nn::Visit& visit : visits_) {
      run(visit);
    }
    settle(0);
    finish_tied();
    if (step_.stage < 3 && step_.shard_size > 1) {
      result_.elements.all_gather += plan_.elements;
    }
    return result_;
  }

 private:
  std::int64_t elements(int bucket) const {
    return plan_.buckets[bucket].elements;
  }

  void run(const nn::Visit& visit) {
    const bool reads = nn::reads_parameters(visit.access) && step_.stage == 3;
    if (reads) {
      gather();
    }
    if (nn::writes_gradients(visit.access)) {
      open(visit);
    }
    if (reads) {
      ++at_;
      drop_gathered();
    }
    if (nn::writes_gradients(visit.access)) {
      close(visit);
    }
  }

  // The buckets of the current reading and of those gathered ahead.
  std::set<int> window(std::size_t readings) const {
    std::set<int> buckets;
    const std::size_t last = std::min(at_ + readings, order_.size());
    for (std::size_t i = at_; i < last; ++i) {
      const std::vector<int>& read = buckets_.of(order_[i]);
      buckets.insert(read.begin(), read.end());
    }
    return buckets;
  }

  void gather() {
    for (const int bucket :
         window(1 + static_cast<std::size_t>(step_.prefetch))) {
      if (gathered_.insert(bucket).second) {
        hold(elements(bucket), step_.values);
        result_.elements.all_gather += elements(bucket);
      }
    }
  }

  bool is_read_again(int bucket) const {
    return last_reading_[bucket] >= static_cast<std::ptrdiff_t>(at_);
  }

  // Drops the buckets of past readings that no coming one reads.
  void drop_gathered() {
    const std::set<int> ahead =
        window(static_cast<std::size_t>(step_.prefetch));
    for (auto it = gathered_.begin(); it != gathered_.end();) {
      if (ahead.count(*it) > 0 ||
          (step_.gather == Reshard::kAfterStep && is_read_again(*it))) {
        ++it;
      } else {
        hold(-elements(*it), step_.values);
        it = gathered_.erase(it);
      }
    }
  }

  void open(const nn::Visit& visit) {
    for (const int bucket : buckets_.of(visit.unit)) {
      if (parts_ && open_.insert({bucket, visit.micro_batch}).second) {
        hold(elements(bucket), step_.gradients);
        if (is_exchanged(bucket, TiedStage::kFirst)) {
          result_.elements.tied_messages += elements(bucket);
        }
      }
    }
  }

  void close(const nn::Visit& visit) {
    const std::vector<int>& buckets = buckets_.of(visit.unit);
    for (auto it = buckets.rbegin(); it != buckets.rend(); ++it) {
      const Countdown::Left left = countdown_.end(*it, visit.micro_batch);
      if (left.visits == 0) {
        open_.erase({*it, visit.micro_batch});
        if (is_exchanged(*it, TiedStage::kLast)) {
          // It is held to the end of the step.
          result_.elements.tied_messages += elements(*it);
        } else {
          reduce(*it, left.reductions);
        }
      }
    }
  }

  // Whether the last stage's gradients of the bucket go to the first.
  bool is_exchanged(int bucket, TiedStage stage) const {
    return ranked_ && step_.tied && step_.tied->bucket == bucket &&
           step_.tied->stage == stage;
  }

  void finish_tied() {
    if (step_.tied) {
      const std::int64_t part = elements(step_.tied->bucket) / step_.shard_size;
      StepElements& count = result_.elements;
      (ranked_ ? count.tied_messages : count.all_reduce_tied) += part;
    }
  }

  void reduce(int bucket, int reductions_left) {
    settle(kMostPending - 1);
    const std::int64_t whole = elements(bucket);
    const std::int64_t part = whole / step_.shard_size;
    StepElements& count = result_.elements;
    const bool is_first = summed_.insert(bucket).second;
    std::int64_t received = 0;
    if (ranked_) {
      received = whole;
      count.all_to_all += whole;
    } else {
      received = is_first ? 0 : part;
      count.reduce_scatter += parts_ || step_.shard_size > 1 ? whole : 0;
    }
    hold(received, step_.gradients);
    pending_.push_back(received + (parts_ ? whole : 0));
    if (reductions_left == 0 && step_.shard_size < plan_.parts.front()) {
      (ranked_ ? count.all_gather_sums : count.all_reduce) += part;
    }
  }

  void settle(std::size_t most) {
    while (pending_.size() > most) {
      hold(-pending_.front(), step_.gradients);
      pending_.pop_front();
    }
  }

  void hold(std::int64_t elements, DType dtype) {
    held_bytes_ += elements * static_cast<std::int64_t>(size_of(dtype));
    result_.peak_bytes = std::max(result_.peak_bytes, held_bytes_);
  }

  const BucketPlan& plan_;
  StepOf step_;
  std::span<const nn::Visit> visits_;
  bool ranked_;
  bool parts_;  // whether only parts of gradients are kept
  UnitBuckets buckets_;
  std::vector<int> order_;  // of units, as they read
  std::vector<std::ptrdiff_t> last_reading_;
  Countdown countdown_;
  std::size_t at_ = 0;  // in order_: the current reading
  std::set<int> gathered_;
  std::set<std::pair<int, int>> open_;  // gradients that are being written
  std::set<int> summed_;                // buckets that were reduced before
  std::deque<std::int64_t> pending_;    // elements of buckets in flight
  std::int64_t held_bytes_ = 0;
  StepPlan result_;
};

}  // namespace

StepPlan plan_step(const BucketPlan& plan,
                   const StepOf& step,
                   std::span<const nn::Visit> visits) {
  DURE_CHECK(step.shard_size >= 1 && plan.parts.front() % step.shard_size == 0,
             "wanted a divisor of {} parts, got {}",
             plan.parts.front(),
             step.shard_size);
  return Replay(plan, step, visits).run();
}

}  // namespace dure::parallel
