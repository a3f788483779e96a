// When a sum of gradients is complete: counts the visits of a step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dure/nn/parameter.h"
#include "dure/parallel/data/bucket_plan.h"

namespace dure::parallel {

// A bucket is reduced once a step, or once for every micro-batch.
enum class ReduceEvery : std::uint8_t { kStep, kMicroBatch };

// Counts the visits that will still write to each bucket before it is reduced.
class Countdown {
 public:
  struct Left {
    int visits = 0;      // before this bucket's next reduction
    int reductions = 0;  // of the bucket, after that one
  };

  Countdown() = default;
  // `visits` are all visits of a step, in this rank's order.
  Countdown(const BucketPlan& plan,
            std::span<const nn::Visit> visits,
            ReduceEvery every);

  // Starts again, for a next step with the same visits.
  void restart();

  // A visit that writes to the bucket has ended. Throws Error if the step was
  // to have no more of them.
  Left end(int bucket, int micro_batch);

  // Buckets that no visit of the step writes to.
  std::vector<int> unvisited() const;

 private:
  // The visits that write to a bucket, by micro-batch; all are counted at 0 if
  // micro-batches are added up first.
  struct Bucket {
    std::vector<int> visits;
    std::size_t first = 0;  // first micro-batch that is not complete
    int reductions = 0;     // number of micro-batches that are not
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
