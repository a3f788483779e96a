// A weight that two stages of a pipeline hold: the embedding's rows, on the
// first stage, are also the head's, on the last.
//
// Each stage has a copy, and both update it alike, by the sum of both
// gradients.
//
// Fast sums: each stage reduces its own gradient over its data ranks; at the
// end of the step the two add up the parts that they own.
//
// Ranked sums equal those of one rank that holds both. There the head's
// gradient of a micro-batch is written first, and the embedding's is added to
// it. So the last stage sends its head's gradient to the first, which adds to
// it and reduces; at the end of the step the last stage gets the parts that the
// first one owns. The last stage keeps what it sent until then: the schedule
// decides when the first stage receives it, and waiting earlier could wait for
// ever.
#pragma once

#include <cstdint>
#include <vector>

#include "dure/comm/traced_work.h"
#include "dure/parallel/data/bucket_plan.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::parallel {

struct Tied {
  int weight = 0;  // in the parameter set; alone in its group
  // Rank 0 is of the first stage, rank 1 of the last, both at the same place on
  // all other axes. It outlives its users.
  comm::Communicator* ranks = nullptr;
};

// The bucket that has the weight. Throws Error if it has others, too.
int bucket_of(const BucketPlan& plan, const Tied& tied);

// The communicator of the two stages, as one of them sees it.
class TiedRanks {
 public:
  TiedRanks(Stream& stream, comm::Communicator& ranks);

  bool is_first() const { return ranks_->rank() == 0; }

  // The last stage sends the first a summand.
  void give(OwnedTensor summand);
  // The first stage waits for the next summand from the last.
  void take(Tensor summand);

  // Both add up their parts at the end of a step.
  void add_up(Tensor part);
  // The first stage's part is copied to the last at the end of a step. All
  // summands that were sent have been received.
  void copy_to_last(Tensor part);

 private:
  struct Given {
    OwnedTensor summand;
    comm::TracedWork work;
  };

  Stream* stream_;
  comm::Communicator* ranks_;
  std::vector<Given> given_;
};

}  // namespace dure::parallel
