// A sum without rounding, in tensor memory: ExactSum's digits (base/
// exact_sum.h). Terms go in where they are made, and the host need not wait
// before it wants the sum.
//
//   sum = sum + x[0] + ... + x[N - 1]
//
// Neither the order of terms nor how they are shared out over calls changes a
// digit. A sum of no terms is digits of 0.
#pragma once

#include "dure/base/exact_sum.h"
#include "dure/kernels/op.h"

namespace dure::kernels {

inline constexpr std::int64_t kSumDigits = ExactSum::kDigits;

struct AddToExactSum {
  static constexpr const char* kName = "add_to_exact_sum";
  // (kSumDigits) i64   added to. Digits come in, and are left, with all
  // carries made: any number of additions fits.
  Tensor sum;
  ConstTensor x;  // (N)
};

void check(const AddToExactSum& op);
Cost cost(const AddToExactSum& op);
void run(OnCpu, Stream& stream, const AddToExactSum& op);
void run(OnCuda, Stream& stream, const AddToExactSum& op);

}  // namespace dure::kernels
