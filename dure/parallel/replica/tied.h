// A weight that two stages of a pipeline hold: the embedding's rows, on the
// first stage, that are the head's, too, on the last.
//
// Each stage has a copy, and both update it alike, by the gradient of both.
//
// Fast sums: each stage reduces its own over its data ranks; at the end of the
// step the two add up the parts that they keep.
//
// Ranked sums are those of one rank that holds both. There the head's gradient
// of a micro-batch is written first, and the embedding's rows are added to it.
// So the last stage gives the first what its head has written, and the first
// adds to that, and reduces; at the end of the step the last stage gets the
// parts that the first one keeps. What was given is held until then: when the
// first stage takes it depends on the schedule, and waiting for it earlier
// could wait for ever.
#pragma once

#include <cstdint>
#include <vector>

#include "dure/comm/traced_work.h"
#include "dure/parallel/replica/bucket_plan.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::parallel {

struct Tied {
  int weight = 0;  // in the parameter set; alone in its group
  // Rank 0 is of the first stage, rank 1 of the last, both of the same place
  // on all other axes. It outlives whom this is given to.
  comm::Communicator* ranks = nullptr;
};

// The bucket that has the weight. Throws Error where it has others, too.
int bucket_of(const BucketPlan& plan, const Tied& tied);

// The two ranks, as one of them.
class TiedRanks {
 public:
  TiedRanks(Stream& stream, comm::Communicator& ranks);

  bool is_first() const { return ranks_->rank() == 0; }

  // Of the last stage: gives the first a summand.
  void give(OwnedTensor summand);
  // Of the first: waits for the next one that the last gives.
  void take(Tensor summand);

  // Of both, at the end of a step: part becomes the sum of the two.
  void add_up(Tensor part);
  // The same: that of the first becomes that of the last. What was given has
  // been taken.
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
