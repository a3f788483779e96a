// The values of a rank's weights, while they are wanted.
//
// WholeValues: every rank has all of them; each keeps, and after an update
// hands out, its part of every bucket. ShardedValues (ZeRO 3): a rank has its
// parts alone; a bucket is gathered before a unit that uses it begins and
// dropped when it has ended, the next units' ahead of time.
#pragma once

#include <memory>
#include <vector>

#include "dure/nn/parameter.h"
#include "dure/parallel/replica/bucket_plan.h"
#include "dure/parallel/replica/gradients.h"

namespace dure::parallel {

class Values {
 public:
  Values() = default;
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;
  virtual ~Values() = default;

  // Around a unit that reads them.
  virtual void begin(int unit, nn::Phase phase) = 0;
  virtual void end(int unit) = 0;

  // This rank's part of a bucket.
  virtual Tensor part(int bucket) const = 0;

  // After the parts have changed: all ranks see it, at the latest when a unit
  // begins.
  virtual void publish() = 0;

  // Returns when nothing is on its way.
  virtual void settle() = 0;
};

// `units` of the model; `prefetch`: how many ahead.
std::unique_ptr<Values> make_whole_values(const Gradients::Place& place);
std::unique_ptr<Values> make_sharded_values(const Gradients::Place& place,
                                            int prefetch);

// The order in which units read their values: forward, and in training the
// backward after it. The head's backward is part of its forward and the
// embedding's reads none (model/decoder.h). `units`: of the model.
std::vector<int> reading_order(int units, nn::Phase phase);

}  // namespace dure::parallel
