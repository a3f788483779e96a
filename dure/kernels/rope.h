// Rotary position embedding [1], in the rotate-half pairing: within a head of
// D, element i < D/2 is paired with i + D/2 and rotated by the angle position *
// theta^(-2i/D).
//
// [1] Su et al. 2021, arXiv:2104.09864, eq. 15.
#pragma once

#include "dure/kernels/op.h"

namespace dure::kernels {

// The direction of the rotation: the backward is the inverse one.
enum class Rotation : std::uint8_t { kForward, kBackward };

// Rotates, in place, the first `rotated_heads` heads of each row (those of q
// and k; v follows and stays).
struct Rope {
  static constexpr const char* kName = "rope";
  Tensor qkv;                 // (N, heads * D)
  ConstTensor positions;      // (N)   i32
  std::int64_t head_dim = 0;  // D, even
  std::int64_t rotated_heads = 0;
  double theta = 10000;
  Rotation rotation = Rotation::kForward;

  static void visit(auto& op, auto&& tensors) { tensors(op.qkv, op.positions); }
};

void check(const Rope& op);
Cost cost(const Rope& op);
void run(OnCpu, Stream& stream, const Rope& op);
void run(OnCuda, Stream& stream, const Rope& op);

}  // namespace dure::kernels
