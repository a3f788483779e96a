#include "dure/kernels/adamw.h"

namespace dure::kernels {

void check(const AdamW& op) {
  check_spans(op.spans, 2);
  check_control(op.control, AdamW::kRates);
}

Cost cost(const AdamW& op) {
  return {.flops = 15 * elements_of(op.spans),
          .bytes = update_bytes(op.spans, 2)};
}

}  // namespace dure::kernels
