// The sequences whose tokens are the rows of a micro-batch, for layers that
// need to know which sequence a row belongs to.
#pragma once

#include <cstdint>

#include "dure/tensor/tensor.h"

namespace dure::nn {

// Views. A backward gets its forward's sequences.
struct Sequences {
  std::int64_t samples = 0;    // B: the N rows are B sequences of equal length
  ConstTensor positions = {};  // (N) i32, the position in its sequence
  // (N) i32: the document of each row, if a sequence has several; rows of
  // different documents do not attend to one another. Empty: each has one.
  ConstTensor segments = {};
  // (B) i32: how many rows of each sequence are not padding; only these are
  // attended to. If it is empty, all are.
  ConstTensor lengths = {};
  // (1) i64: the index, in the whole run, of the first sample. Dropout counts
  // its elements from there, so a sample gets the same mask on whichever rank
  // and in whichever micro-batch it comes. Only training with dropout needs it.
  ConstTensor first_sample = {};
};

}  // namespace dure::nn
