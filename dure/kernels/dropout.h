// Dropout [1] by counter: whether element i stays is a function of (stream,
// global index) alone, so the backward draws the same mask again and nothing is
// saved.
//
//   y = keep(i) ? x / (1 - rate) : 0   [+ residual]
//
// keep(i) is stream.uniform(i) >= rate with i = first_index + the element's
// place in x, and
//
//   first_index = first_sample elements_per_sample + offset
//
// The first sample changes with every step, so it is read from tensor memory.
// The gradient is the same operation on d_y.
//
// x, y and residual each have a type of their own: f32, or the one 16-bit type
// of the others. The sum is made in f32 and rounded once.
//
// [1] Srivastava et al. 2014, JMLR 15.
#pragma once

#include "dure/base/random.h"
#include "dure/kernels/op.h"

namespace dure::kernels {

struct DropoutMask {
  RandomStream stream{0, ""};
  ConstTensor first_sample = {};  // (1) i64; not used at rate 0
  std::int64_t elements_per_sample = 0;
  std::int64_t offset = 0;
  float rate = 0;  // in [0, 1); 0 keeps all

  // For code that may read the tensor's memory.
  std::uint64_t first_index() const {
    return static_cast<std::uint64_t>(
        first_sample.data<std::int64_t>()[0] * elements_per_sample + offset);
  }

  static void visit(auto& op, auto&& tensors) { tensors(op.first_sample); }
};

void check_mask(const DropoutMask& mask);

struct Dropout {
  static constexpr const char* kName = "dropout";
  Tensor y;                   // (N, C)   overwritten; may be one of the
                              //          others if the types agree
  ConstTensor x;              // (N, C)
  ConstTensor residual = {};  // (N, C), optional
  DropoutMask mask;

  static void visit(auto& op, auto&& tensors) {
    tensors(op.y, op.x, op.residual, op.mask);
  }
};

void check(const Dropout& op);
Cost cost(const Dropout& op);
void run(OnCpu, Stream& stream, const Dropout& op);
void run(OnCuda, Stream& stream, const Dropout& op);

}  // namespace dure::kernels
