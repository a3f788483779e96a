// Activations of the feed-forward layer.
//
// GELU in its tanh form [1, section 2], and SwiGLU [2, eq. 6]:
//
//   gelu(h)         = h/2 (1 + tanh(sqrt(2/pi) (h + 0.044715 h^3)))
//   swiglu(g, u)    = g / (1 + exp(-g)) * u
//
// [1] Hendrycks and Gimpel 2016, arXiv:1606.08415.
// [2] Shazeer 2020, arXiv:2002.05202.
#pragma once

#include "dure/kernels/op.h"

namespace dure::kernels {

struct Gelu {
  static constexpr const char* kName = "gelu";
  Tensor y;       // (N, F)   overwritten; may be x
  ConstTensor x;  // (N, F)

  static void visit(auto& op, auto&& tensors) { tensors(op.y, op.x); }
};

void check(const Gelu& op);
Cost cost(const Gelu& op);
void run(OnCpu, Stream& stream, const Gelu& op);
void run(OnCuda, Stream& stream, const Gelu& op);

// d_x = d_y * gelu'(x)
struct GeluBackward {
  static constexpr const char* kName = "gelu_backward";
  Tensor d_x;       // (N, F)   overwritten; may be d_y or x
  ConstTensor d_y;  // (N, F)
  ConstTensor x;    // (N, F)

  static void visit(auto& op, auto&& tensors) { tensors(op.d_x, op.d_y, op.x); }
};

void check(const GeluBackward& op);
Cost cost(const GeluBackward& op);
void run(OnCpu, Stream& stream, const GeluBackward& op);
void run(OnCuda, Stream& stream, const GeluBackward& op);

struct Swiglu {
  static constexpr const char* kName = "swiglu";
  Tensor y;             // (N, F)    overwritten
  ConstTensor gate_up;  // (N, 2F)   a row is F of gate, then F of up

  static void visit(auto& op, auto&& tensors) { tensors(op.y, op.gate_up); }
};

void check(const Swiglu& op);
Cost cost(const Swiglu& op);
void run(OnCpu, Stream& stream, const Swiglu& op);
void run(OnCuda, Stream& stream, const Swiglu& op);

struct SwigluBackward {
  static constexpr const char* kName = "swiglu_backward";
  Tensor d_gate_up;     // (N, 2F)   overwritten; may be gate_up
  ConstTensor d_y;      // (N, F)
  ConstTensor gate_up;  // (N, 2F)

  static void visit(auto& op, auto&& tensors) {
    tensors(op.d_gate_up, op.d_y, op.gate_up);
  }
};

void check(const SwigluBackward& op);
Cost cost(const SwigluBackward& op);
void run(OnCpu, Stream& stream, const SwigluBackward& op);
void run(OnCuda, Stream& stream, const SwigluBackward& op);

}  // namespace dure::kernels
