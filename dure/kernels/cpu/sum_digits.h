// Exact sums in tensor memory, stored as digits.
#pragma once

#include <algorithm>

#include "dure/base/exact_sum.h"
#include "dure/tensor/tensor.h"

namespace dure::kernels {

inline ExactSum sum_of(ConstTensor digits) {
  return ExactSum(std::span<const std::int64_t, ExactSum::kDigits>(
      digits.data<std::int64_t>(), ExactSum::kDigits));
}

inline void store_sum(ExactSum sum, Tensor digits) {
  std::ranges::copy(sum.digits(), digits.data<std::int64_t>());
}

inline void add_to(Tensor digits, const ExactSum& part) {
  ExactSum sum = sum_of(digits);
  sum.add(part);
  store_sum(sum, digits);
}

}  // namespace dure::kernels
