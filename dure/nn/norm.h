// Normalisation over the hidden dimension, of the kind that a row says
// (norms.h).
//
// The residual stream, x, may have more digits than what layers read, y.
//
// It goes by row, so it takes a residual stream as it comes. If the stream is
// cut, the parameters' gradients are summands over tensor ranks.
#pragma once

#include <array>

#include "dure/nn/buffers.h"
#include "dure/nn/context.h"
#include "dure/nn/norms.h"
#include "dure/nn/parameter.h"

namespace dure::nn {

class Norm {
 public:
  struct Saved {
    std::array<OwnedTensor, kMostStatistics> statistics;  // (N) each
  };

  // d_x = the gradient through the norm + residual, the gradient around it.
  struct Backward {
    Tensor d_x;                 // (N, C)   as x, overwritten; may be residual,
                                //          or d_y if that has the same type
    ConstTensor d_y;            // (N, C)   of dtype()
    ConstTensor x;              // (N, C)   the forward's
    ConstTensor residual = {};  // (N, C)   as x, optional
  };

  // gain (row.gains(C)); bias (C) or null.
  Norm(const NormRow& row, Parameter& gain, Parameter* bias, double epsilon)
      : row_(row),
        gain_(gain),
        bias_(bias),
        epsilon_(static_cast<float>(epsilon)) {}

  // The type of what layers read, which x need not have: the gain's.
  DType dtype() const { return gain_.value.dtype(); }

  // y, of dtype(), may be x if that has the same type.
  void forward(Context& ctx, Tensor y, ConstTensor x, Saved& saved) const;

  void backward(Context& ctx, const Backward& op, const Saved& saved) const;

 private:
  const NormRow& row_;
  Parameter& gain_;
  Parameter* bias_;
  float epsilon_;
};

inline void for_each_buffer(Norm::Saved& saved, const BufferVisitor& visit) {
  visit_buffers({&saved.statistics[0], &saved.statistics[1]}, visit);
}

}  // namespace dure::nn
