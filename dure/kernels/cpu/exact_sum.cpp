#include "dure/kernels/exact_sum.h"

#include "dure/kernels/cpu/sum_digits.h"

namespace dure::kernels {

void run(OnCpu, Stream& /*stream*/, const AddToExactSum& op) {
  ExactSum sum = sum_of(op.sum);
  const float* const x = op.x.data<float>();
  for (std::int64_t n = 0; n < op.x.elements(); ++n) {
    sum.add(x[n]);
  }
  store_sum(sum, op.sum);
}

}  // namespace dure::kernels
