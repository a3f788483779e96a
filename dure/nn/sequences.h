// The sequences whose tokens are the rows of a micro-batch: what a layer asks
// to know which row is whose.
#pragma once

#include <cstdint>

#include "dure/tensor/tensor.h"

namespace dure::nn {

// Views. A backward is handed what its forward was.
struct Sequences {
  std::int64_t samples = 0;    // B: the N rows are B sequences of equal length
  ConstTensor positions = {};  // (N) i32, each row's in its sequence
  // (N) i32: the document of each row, where a sequence is several; rows of
  // different ones do not attend to one another. Nothing: one document each.
  ConstTensor segments = {};
  // (B) i32: the rows of each sequence that are no padding, to which others
  // attend. Nothing: all.
  ConstTensor lengths = {};
  // (1) i64: the index, in the whole run, of the first sample. Dropout counts
  // its elements from there, so that a sample meets the same mask on whichever
  // rank and in whichever micro-batch it comes. Without dropout, and in
  // evaluation, it is not wanted.
  ConstTensor first_sample = {};
};

}  // namespace dure::nn
