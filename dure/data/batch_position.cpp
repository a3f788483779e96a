#include "dure/data/batch_position.h"

#include "dure/base/check.h"

namespace dure::data {

void BatchLayout::check() const {
  DURE_CHECK(global_batch >= 1 && micro_batch >= 1 && ranks >= 1,
             "wanted batches and ranks of 1 or more, not a global batch of {}, "
             "a micro-batch of {} and {} ranks",
             global_batch,
             micro_batch,
             ranks);
  DURE_CHECK(rank >= 0 && rank < ranks,
             "wanted a rank of 0 to {}, not {}",
             ranks - 1,
             rank);
  DURE_CHECK(global_batch % (micro_batch * ranks) == 0,
             "a global batch of {} does not divide into micro-batches of {} on "
             "{} data-parallel ranks; make it a multiple of {}",
             global_batch,
             micro_batch,
             ranks,
             micro_batch * ranks);
}

}  // namespace dure::data
