// Weight stashing [1]: older versions of a rank's weights, which micro-batches
// in flight still read while newer ones are made.
//
// Steps overlap: a micro-batch's forward comes before updates that precede its
// gradient's, and its backward must read what its forward has read. A plan
// gives the version of each micro-batch (versions_read in
// parallel/pipeline/schedule.h); version v is the result of v updates. The
// newest version is in the weights' own memory, and the optimizer changes it in
// place. Before it does, the version is copied if a micro-batch in flight or to
// come reads it; the copy is freed when no such micro-batch is left. So there
// are at most weight_staleness() + 1 versions at once.
//
// [1] Narayanan et al. 2019, SOSP (PipeDream), section 3.3.
#pragma once

#include <map>
#include <vector>

#include "dure/parallel/data/store_place.h"

namespace dure::parallel {

class WeightStash {
 public:
  // Values are whole, in their places, and stay there.
  explicit WeightStash(const StorePlace& place);

  // `versions` are those of the micro-batches, ascending; version 0 is the
  // present one. The overlap is over after the update from the last
  // micro-batch.
  void begin_overlap(std::vector<int> versions);

  // Called around a unit that reads values: they are the version of the
  // micro-batch.
  void begin(int unit, int micro_batch);
  void end(int unit, int micro_batch);

  // Called before the update from the micro-batches up to this one. No unit
  // runs.
  void before_update(int last_micro_batch);

 private:
  template <typename Function>
  void for_each_weight(int unit, Function&& function);
  bool reads_newest(int micro_batch) const;
  void keep_newest();

  StorePlace place_;
  UnitBuckets buckets_;
  std::vector<Tensor> newest_;  // by weight
  std::vector<int> versions_;   // by micro-batch
  int updates_ = 0;             // since begin_overlap
  std::map<int, OwnedTensor> kept_;
};

}  // namespace dure::parallel
