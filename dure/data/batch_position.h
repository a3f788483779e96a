// Which samples a rank reads at a step: arithmetic only.
//
// The samples of a run are numbered in the order of the data set. A global
// batch takes the next `global_batch` of them, micro-step after micro-step, in
// each of them rank after rank:
//
//   global_batch 8, micro_batch 2, 2 ranks     rank 0   rank 1
//   micro-step 0                               0 1      2 3
//   micro-step 1                               4 5      6 7
//
// So every layout reads the same samples in the same order, and a run can
// resume from the number of samples consumed, also with another batch or
// layout.
#pragma once

#include <cstdint>

namespace dure::data {

struct BatchLayout {
  std::int64_t global_batch = 1;
  std::int64_t micro_batch = 1;
  std::int64_t ranks = 1;  // of the data axis
  std::int64_t rank = 0;

  // Throws Error unless the ranks share the batch in whole micro-batches.
  void check() const;

  std::int64_t micro_batches() const {
    return global_batch / (micro_batch * ranks);
  }

  // The sample in one row of a micro-batch, when `consumed` samples were read
  // before this global batch.
  std::int64_t sample(std::int64_t consumed,
                      std::int64_t index,
                      std::int64_t row) const {
    return consumed + (index * ranks + rank) * micro_batch + row;
  }
};

}  // namespace dure::data
