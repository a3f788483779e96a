#include "dure/parallel/data/countdown.h"

#include "dure/base/check.h"

namespace dure::parallel {

Countdown::Countdown(const BucketPlan& plan,
                     std::span<const nn::Visit> visits,
                     ReduceEvery every)
    : every_(every), all_(plan.buckets.size()) {
  const UnitBuckets buckets(plan);
  for (const nn::Visit& visit : visits) {
    if (!nn::writes_gradients(visit.access)) {
      continue;
    }
    const std::size_t place = place_of(visit.micro_batch);
    for (const int b : buckets.of(visit.unit)) {
      Bucket& bucket = all_[b];
      if (bucket.visits.size() <= place) {
        bucket.visits.resize(place + 1);
      }
      bucket.reductions += bucket.visits[place] == 0 ? 1 : 0;
      ++bucket.visits[place];
    }
  }
  for (Bucket& bucket : all_) {
    while (bucket.first < bucket.visits.size() &&
           bucket.visits[bucket.first] == 0) {
      ++bucket.first;
    }
  }
  restart();
}

void Countdown::restart() {
  left_ = all_;  // keeps its memory
}

Countdown::Left Countdown::end(int bucket, int micro_batch) {
  Bucket& left = left_[bucket];
  const std::size_t place = place_of(micro_batch);
  DURE_CHECK(place < left.visits.size() && left.visits[place] > 0,
             "gradients of bucket {} and micro-batch {} were written more "
             "often than the step's visits say",
             bucket,
             micro_batch);
  const int visits = --left.visits[place];
  if (visits == 0) {
    // Only then are sums over micro-batches in order.
    DURE_CHECK(place == left.first,
               "micro-batch {} of bucket {} is complete before micro-batch {}",
               place,
               bucket,
               left.first);
    --left.reductions;
    while (left.first < left.visits.size() && left.visits[left.first] == 0) {
      ++left.first;
    }
  }
  return {.visits = visits, .reductions = left.reductions};
}

std::vector<int> Countdown::unvisited() const {
  std::vector<int> buckets;
  for (std::size_t b = 0; b < all_.size(); ++b) {
    if (all_[b].reductions == 0) {
      buckets.push_back(static_cast<int>(b));
    }
  }
  return buckets;
}

}  // namespace dure::parallel
