// A reducer with two reductions in flight at most: one travels while the next
// summand is written. The older one is never settled earlier, even if it is
// done, so memory does not depend on timing.
#pragma once

#include <cstdint>
#include <vector>

#include "dure/comm/traced_work.h"
#include "dure/parallel/data/gradient_reducer.h"

namespace dure::parallel {

class QueuedReducer : public GradientReducer {
 public:
  void reduce(Summand summand, int left) override;
  void finish() override;

 protected:
  struct InFlight {
    int bucket = 0;
    OwnedTensor sent = {};  // the summand, if it has memory of its own
    OwnedTensor received = {};
    comm::TracedWork work = {};
    bool is_last = false;  // of the step
  };

  QueuedReducer(const StorePlace& place, std::int64_t elements_of_sums);

  // Starts a reduction, within the shard group or over all ranks.
  virtual InFlight start(Summand summand) = 0;
  // Adds what was received to this rank's part.
  virtual void add_received(const InFlight& done) = 0;
  // After a bucket's last reduction: starts to exchange sums with the other
  // ranks that own the same part.
  virtual comm::TracedWork start_across(int bucket) = 0;

  StorePlace place_;
  OwnedTensor sums_;

 private:
  void settle_oldest();

  std::vector<InFlight> in_flight_;  // the oldest first
  std::vector<comm::TracedWork> across_;
};

}  // namespace dure::parallel
