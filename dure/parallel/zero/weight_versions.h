// Weight stashing [1]: the versions of a rank's weights that micro-batches on
// their way through a pipeline still read while newer ones are made.
//
// Steps overlap: a micro-batch goes forward before updates that its gradient
// comes after, and its backward must read what its forward has read. Which
// version that is, a plan says by micro-batch (weights_read in
// parallel/pipeline/schedule.h); version v is what v updates have made. The
// newest one is where the weights always are, and the optimizer changes it in
// place. Before it does, the present version is copied if a micro-batch that is
// in flight or to come reads it; and a copy goes when no such micro-batch is
// left. So as many versions as weight_delay() + 1 exist at once, at most.
//
// [1] Narayanan et al. 2019, SOSP (PipeDream), section 3.3.
#pragma once

#include <map>
#include <vector>

#include "dure/parallel/replica/gradients.h"

namespace dure::parallel {

class WeightVersions {
 public:
  // Values are whole, in their places, and stay there.
  explicit WeightVersions(const Gradients::Place& place);

  // `versions`: by micro-batch, ascending; version 0 is what there is now. The
  // overlap is over after the update from the last of them.
  void begin_overlap(std::vector<int> versions);

  // Around a unit that reads values: they are the version of the micro-batch.
  void begin(int unit, int micro_batch);
  void end(int unit, int micro_batch);

  // Before the update from the micro-batches up to this one. No unit runs.
  void before_update(int last_micro_batch);

 private:
  template <typename Function>
  void for_each_weight(int unit, Function&& function);
  bool reads_newest(int micro_batch) const;
  void keep_newest();

  Gradients::Place place_;
  UnitBuckets buckets_;
  std::vector<Tensor> newest_;  // by weight
  std::vector<int> versions_;   // by micro-batch
  int updates_ = 0;             // since begin_overlap
  std::map<int, OwnedTensor> kept_;
};

}  // namespace dure::parallel
