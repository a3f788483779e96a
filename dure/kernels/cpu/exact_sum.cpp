#include "dure/kernels/exact_sum.h"

#include <algorithm>

namespace dure::kernels {

void run(OnCpu, Stream&, const AddToExactSum& op) {
  std::int64_t* const digits = op.sum.data<std::int64_t>();
  ExactSum sum = exact_sum_of({digits, ExactSum::kDigits});
  const float* const x = op.x.data<float>();
  for (std::int64_t n = 0; n < op.x.elements(); ++n) {
    sum.add(x[n]);
  }
  const auto carried = sum.digits();
  std::copy(carried.begin(), carried.end(), digits);
}

}  // namespace dure::kernels
