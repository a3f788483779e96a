// The values of a rank's weights while units use them.
//
// ReplicatedParameters: every rank has all values, owns a part of every bucket,
// and hands it out after an update. ShardedParameters (ZeRO 3): a rank has its
// parts alone. A bucket is gathered before a visit that reads it, ahead of time
// for the next visits, and freed when none of these reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dure/nn/parameter.h"
#include "dure/parallel/data/bucket_plan.h"
#include "dure/parallel/data/reshard.h"
#include "dure/parallel/data/store_place.h"

namespace dure::parallel {

class GatheredParameters {
 public:
  GatheredParameters() = default;
  GatheredParameters(const GatheredParameters&) = delete;
  GatheredParameters& operator=(const GatheredParameters&) = delete;
  virtual ~GatheredParameters() = default;

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
  virtual void all_gather() = 0;

  // Returns when no communication is in flight.
  virtual void wait() = 0;
};

std::unique_ptr<GatheredParameters> make_replicated_parameters(
    const StorePlace& place);

// `prefetch` is the number of reading visits to gather ahead.
std::unique_ptr<GatheredParameters> make_sharded_parameters(
    const StorePlace& place, int prefetch, Reshard gather);

// The units that read values in a step, in order.
std::vector<int> reading_order(std::span<const nn::Visit> visits);

// For each bucket: the last place in such an order that reads it; -1 if none
// does.
std::vector<std::ptrdiff_t> last_readings(const BucketPlan& plan,
                                          std::span<const int> order);

}  // namespace dure::parallel
