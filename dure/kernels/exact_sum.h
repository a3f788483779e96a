// A sum without rounding, in tensor memory: ExactSum's digits (base/
// exact_sum.h). Terms are added where they are made, and the host waits only
// when it needs the sum.
//
//   sum = sum + x[0] + ... + x[N - 1]
//
// Neither the order of terms nor their division over calls changes a digit. A
// sum of no terms has all digits 0.
#pragma once

#include "dure/base/exact_sum.h"
#include "dure/kernels/op.h"

namespace dure::kernels {

inline constexpr std::int64_t kSumDigits = ExactSum::kDigits;

struct AddToExactSum {
  static constexpr const char* kName = "add_to_exact_sum";
  // (kSumDigits) i64   added to. Digits have all carries made, before and
  // after, so any number of additions fits.
  Tensor sum;
  ConstTensor x;  // (N)

  static void visit(auto& op, auto&& tensors) { tensors(op.sum, op.x); }
};

void check(const AddToExactSum& op);
Cost cost(const AddToExactSum& op);
void run(OnCpu, Stream& stream, const AddToExactSum& op);
void run(OnCuda, Stream& stream, const AddToExactSum& op);

}  // namespace dure::kernels
