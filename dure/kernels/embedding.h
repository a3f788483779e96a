// Rows of tables: token embedding, plus learned positions where there are any.
//
//   y[n] = token[ids[n]] (+ position[positions[n]])
#pragma once

#include "dure/kernels/op.h"

namespace dure::kernels {

struct Embedding {
  static constexpr const char* kName = "embedding";
  Tensor y;                    // (N, C)   overwritten
  ConstTensor ids;             // (N)      i32; Error where not in [0, V)
  ConstTensor token;           // (V, C)
  ConstTensor positions = {};  // (N)      i32; with `position`
  ConstTensor position = {};   // (S, C)   optional
};

void check(const Embedding& op);
Cost cost(const Embedding& op);
void run(OnCpu, Stream& stream, const Embedding& op);
void run(OnCuda, Stream& stream, const Embedding& op);

// Adds each row of d_y to its rows of the tables' gradients, in the order of n,
// so that the sums are the same for any number of threads.
struct EmbeddingBackward {
  static constexpr const char* kName = "embedding_backward";
  Tensor d_token;              // (V, C)   added to
  Tensor d_position = {};      // (S, C)   added to; optional
  ConstTensor d_y;             // (N, C)
  ConstTensor ids;             // (N)      i32
  ConstTensor positions = {};  // (N)      i32; with d_position
};

void check(const EmbeddingBackward& op);
Cost cost(const EmbeddingBackward& op);
void run(OnCpu, Stream& stream, const EmbeddingBackward& op);
void run(OnCuda, Stream& stream, const EmbeddingBackward& op);

}  // namespace dure::kernels
