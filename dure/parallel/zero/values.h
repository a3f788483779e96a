// The values of a rank's weights while units use them.
//
// WholeValues: every rank has all values, owns a part of every bucket, and
// hands it out after an update. ShardedValues (ZeRO 3): a rank has its parts
// alone. A bucket is gathered before a visit that reads it, ahead of time for
// the next visits, and freed when none of these reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dure/nn/parameter.h"
#include "dure/parallel/replica/bucket_plan.h"
#include "dure/parallel/replica/gradients.h"

namespace dure::parallel {

// How long stage 3 keeps a gathered bucket in training. kEachUse: as long as
// the visits ahead read it. kOnceAStep: from its first reading in a step to its
// last.
enum class Gather : std::uint8_t { kEachUse, kOnceAStep };

class Values {
 public:
  Values() = default;
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;
  virtual ~Values() = default;

  // `visits` are all visits of the coming training step, in order.
  virtual void begin_step(std::span<const nn::Visit> visits) = 0;

  // Called before and after a unit that reads values. In training the units
  // follow the step's visits; else they are this rank's units, ascending, again
  // and again.
  virtual void begin(int unit, nn::Phase phase) = 0;
  virtual void end(int unit) = 0;

  // This rank's part of a bucket.
  virtual Tensor part(int bucket) const = 0;

  // Called after the parts have changed: all ranks see it, at the latest when a
  // unit begins.
  virtual void publish() = 0;

  // Returns when no communication is in flight.
  virtual void settle() = 0;
};

std::unique_ptr<Values> make_whole_values(const Gradients::Place& place);

// `prefetch` is the number of reading visits to gather ahead.
std::unique_ptr<Values> make_sharded_values(const Gradients::Place& place,
                                            int prefetch,
                                            Gather gather);

// The units that read values in a step, in order.
std::vector<int> reading_order(std::span<const nn::Visit> visits);

// For each bucket: the last place in such an order that reads it; -1 if none
// does.
std::vector<std::ptrdiff_t> last_readings(const BucketPlan& plan,
                                          std::span<const int> order);

}  // namespace dure::parallel
