#include "dure/parallel/replica/countdown.h"

#include "dure/base/check.h"

namespace dure::parallel {

Countdown::Countdown(const BucketPlan& plan,
                     std::span<const nn::Visit> visits,
                     ReduceEvery every)
    : every_(every), visits_(plan.buckets.size()) {
  const UnitBuckets buckets(plan);
  for (const nn::Visit& visit : visits) {
    if (!nn::writes_gradients(visit.uses)) {
      continue;
    }
    for (const int bucket : buckets.of(visit.unit)) {
      ++visits_[static_cast<std::size_t>(bucket)][key(visit.micro_batch)];
    }
  }
}

Countdown::Left Countdown::end(int bucket, int micro_batch) {
  std::map<int, int>& left = visits_[static_cast<std::size_t>(bucket)];
  const auto found = left.find(key(micro_batch));
  DURE_CHECK(found != left.end(),
             "gradients of bucket ",
             bucket,
             " and micro-batch ",
             micro_batch,
             " were written more often than the step's visits say");
  const int visits = --found->second;
  if (visits == 0) {
    // Sums over micro-batches are in their order only so.
    DURE_CHECK(found == left.begin(),
               "micro-batch ",
               found->first,
               " of bucket ",
               bucket,
               " is complete before micro-batch ",
               left.begin()->first);
    left.erase(found);
  }
  return {.visits = visits, .reductions = static_cast<int>(left.size())};
}

std::vector<int> Countdown::unvisited() const {
  std::vector<int> buckets;
  for (std::size_t b = 0; b < visits_.size(); ++b) {
    if (visits_[b].empty()) {
      buckets.push_back(static_cast<int>(b));
    }
  }
  return buckets;
}

}  // namespace dure::parallel
