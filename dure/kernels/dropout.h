// Dropout [1] by counter: whether element i stays is a function of (stream,
// major, global index) alone, so the backward draws the same mask again and
// nothing is kept.
//
//   y = keep(i) ? x / (1 - rate) : 0   [+ residual]
//
// keep(i) is stream.uniform(i, major) >= rate with i = first_index + the
// element's place in x. The gradient is the same operation on d_y.
//
// [1] Srivastava et al. 2014, JMLR 15.
#pragma once

#include "dure/base/random.h"
#include "dure/kernels/op.h"

namespace dure::kernels {

struct DropoutMask {
  RandomStream stream{0, ""};
  std::uint64_t major = 0;  // the training step's sample, say
  std::uint64_t first_index = 0;
  float rate = 0;  // in [0, 1); 0 keeps all
};

struct Dropout {
  static constexpr const char* kName = "dropout";
  Tensor y;                   // (N, C)   overwritten; may be x or residual
  ConstTensor x;              // (N, C)
  ConstTensor residual = {};  // (N, C), optional
  DropoutMask mask;
};

void check(const Dropout& op);
Cost cost(const Dropout& op);
void run(OnCpu, Stream& stream, const Dropout& op);
void run(OnCuda, Stream& stream, const Dropout& op);

}  // namespace dure::kernels
