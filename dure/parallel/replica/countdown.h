// When a sum of gradients is complete: arithmetic on the visits of a step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dure/nn/parameter.h"
#include "dure/parallel/replica/bucket_plan.h"

namespace dure::parallel {

// A bucket is reduced once a step, or once for every micro-batch.
enum class ReduceEvery : std::uint8_t { kStep, kMicroBatch };

// Visits that are still to write to each bucket, until it can be reduced.
class Countdown {
 public:
  struct Left {
    int visits = 0;      // before this bucket's next reduction
    int reductions = 0;  // of the bucket, after that one
  };

  Countdown() = default;
  // `visits`: all of a step, in this rank's order.
  Countdown(const BucketPlan& plan,
            std::span<const nn::Visit> visits,
            ReduceEvery every);

  // From the beginning, as for the next step of the same visits.
  void restart();

  // One that writes to the bucket has ended. Throws Error where the step was
  // to have no more of them.
  Left end(int bucket, int micro_batch);

  // Buckets that no visit of the step writes to.
  std::vector<int> unvisited() const;

 private:
  // Visits that write to a bucket, by micro-batch; of all of them at 0 where
  // they are added up before.
  struct Bucket {
    std::vector<int> visits;
    std::size_t first = 0;  // micro-batch that is not complete
    int reductions = 0;     // micro-batches that are not
  };

  std::size_t place_of(int micro_batch) const {
    return every_ == ReduceEvery::kStep ? 0
                                        : static_cast<std::size_t>(micro_batch);
  }

  ReduceEvery every_ = ReduceEvery::kStep;
  std::vector<Bucket> all_;  // of the step
  std::vector<Bucket> left_;
};

}  // namespace dure::parallel
