// The values of a rank's weights, while they are wanted.
//
// WholeValues: every rank has all of them; each keeps, and after an update
// hands out, its part of every bucket. ShardedValues (ZeRO 3): a rank has its
// parts alone; a bucket is gathered before a visit that reads it, those of the
// next visits ahead of time, and dropped when none of them wants it.
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

// How long what stage 3 has gathered stays in training: kEachUse, as long as
// the visits ahead want it; kOnceAStep, from its first reading in a step to its
// last.
enum class Gather : std::uint8_t { kEachUse, kOnceAStep };

class Values {
 public:
  Values() = default;
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;
  virtual ~Values() = default;

  // `visits`: all of the step of training that is to come, in order.
  virtual void begin_step(std::span<const nn::Visit> visits) = 0;

  // Around a unit that reads them: in training as the step's visits say; else
  // this rank's units ascending, again and again.
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

std::unique_ptr<Values> make_whole_values(const Gradients::Place& place);

// `prefetch`: visits that read, ahead.
std::unique_ptr<Values> make_sharded_values(const Gradients::Place& place,
                                            int prefetch,
                                            Gather gather);

// The units that read values in a step, in order.
std::vector<int> reading_order(std::span<const nn::Visit> visits);

// By bucket: the last place in such an order that reads it, and -1 where none
// does.
std::vector<std::ptrdiff_t> last_readings(const BucketPlan& plan,
                                          std::span<const int> order);

}  // namespace dure::parallel
