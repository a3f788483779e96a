#include "dure/kernels/lion.h"

namespace dure::kernels {

void check(const Lion& op) {
  check_spans(op.spans, 1);
  check_control(op.control, Lion::kRates);
}

Cost cost(const Lion& op) {
  return {.flops = 10 * elements_of(op.spans),
          .bytes = update_bytes(op.spans, 1)};
}

}  // namespace dure::kernels
