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

#include <memory>

#include "dure/comm/communicator.h"
#include "dure/parallel/data/gradient_reducer.h"

namespace dure::parallel {

struct Tied {
  int weight = 0;  // in the parameter set; alone in its group
  // Rank 0 is of the first stage, rank 1 of the last, both at the same place on
  // all other axes. It outlives its users.
  comm::Communicator* ranks = nullptr;
};

// The bucket that has the weight. Throws Error if it has others, too.
int bucket_of(const BucketPlan& plan, const Tied& tied);

// Reducers around that of a stage's own gradients.
std::unique_ptr<GradientReducer> make_tied_fast(
    std::unique_ptr<GradientReducer> stage,
    const StorePlace& place,
    const Tied& tied);
std::unique_ptr<GradientReducer> make_tied_ranked(
    std::unique_ptr<PartsReducer> stage,
    const StorePlace& place,
    const Tied& tied);

}  // namespace dure::parallel
