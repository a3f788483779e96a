// The gradients of one rank, summed over ranks while the backward still runs.
//
// A step is a list of visits to this rank's units, known before it begins. A
// schedule may go through micro-batches in any order. The reduction of a bucket
// (gradient_reducer.h) begins when the last visit that writes to it has ended.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "dure/nn/parameter.h"
#include "dure/parallel/data/bucket_plan.h"
#include "dure/parallel/data/countdown.h"
#include "dure/parallel/data/gradient_reducer.h"

namespace dure::parallel {

class Gradients {
 public:
  Gradients(const StorePlace& place, std::unique_ptr<GradientReducer> reducer);

  // `visits` are all visits of the coming step, in this rank's order. For every
  // weight one of them writes gradients.
  void begin_step(std::span<const nn::Visit> visits);

  // Called before and after a visit that writes gradients.
  void begin(int unit, int micro_batch);
  void end(int unit, int micro_batch);

  // Called after the last visit: parts hold the sums of the step.
  void finish() { reducer_->finish(); }

  // This rank's part of a bucket.
  Tensor part(int bucket) const { return reducer_->part(bucket); }

 private:
  void count(std::span<const nn::Visit> visits);
  void clear_unwritten(int bucket);

  StorePlace place_;
  std::unique_ptr<GradientReducer> reducer_;
  UnitBuckets buckets_;
  std::vector<nn::Visit> visits_;  // of the step
  Countdown countdown_;            // of those visits
};

}  // namespace dure::parallel
