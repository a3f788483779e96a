#include "dure/kernels/sgd.h"

namespace dure::kernels {
namespace {

std::size_t states_of(const Sgd& op) {
  return op.momentum != 0 ? 1 : 0;
}

}  // namespace

void check(const Sgd& op) {
  check_spans(op.spans, states_of(op));
  check_control(op.control, Sgd::kRates);
}

Cost cost(const Sgd& op) {
  return {.flops = 6 * elements_of(op.spans),
          .bytes = update_bytes(op.spans, states_of(op))};
}

}  // namespace dure::kernels
