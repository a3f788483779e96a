// The embedding: token rows, plus learned positions where there are any, with
// dropout.
//
// Each tensor rank has a part of the vocabulary, and the rows that it looks up
// are a summand of the result (kernels/embedding.h). Every rank has all
// positions. N counts all rows; a stream has this rank's
// (parallel/tensor/regions.h).
#pragma once

#include "dure/kernels/embedding.h"
#include "dure/nn/dropout.h"
#include "dure/nn/parameter.h"

namespace dure::nn {

class Embedding {
 public:
  // token (Vp / T, C): part `part` of Vp rows; position (S, C) or null.
  Embedding(Parameter& token,
            Parameter* position,
            Dropout dropout,
            mesh::Part part)
      : token_(token), position_(position), dropout_(dropout), part_(part) {}

  // y is a stream; ids (N) i32.
  void forward(Context& ctx,
               Tensor y,
               ConstTensor ids,
               const Sequences& sequences) const;

  // d_y, a stream, is overwritten if there is dropout. The position table's
  // gradient is made from the stream's rows.
  void backward(Context& ctx,
                Tensor d_y,
                ConstTensor ids,
                const Sequences& sequences) const;

 private:
  kernels::TableRows token_rows() const;
  // Works in place, in the forward and in the backward.
  void drop(Context& ctx, Tensor x, const Sequences& sequences) const;
  void add_to_position(Context& ctx,
                       ConstTensor d_y,
                       ConstTensor positions) const;

  Parameter& token_;
  Parameter* position_;
  Dropout dropout_;
  mesh::Part part_;
};

}  // namespace dure::nn
