#include "dure/kernels/update.h"

namespace dure::kernels {

void check_spans(std::span<const UpdateSpan> spans, std::size_t states) {
  for (const UpdateSpan& span : spans) {
    const auto [n] = span.master.dims<1>("master");
    span.master.expect("master", {n}, DType::kF32);
    span.weight.expect("weight", {n}, DType::kF32);
    span.gradient.expect("gradient", {n}, DType::kF32);
    for (std::size_t k = 0; k < states; ++k) {
      span.states[k].expect("state", {n}, DType::kF32);
    }
  }
}

void check_control(ConstTensor control, std::int64_t rates) {
  control.expect("control", {kDecisions + rates}, DType::kF32);
}

double update_bytes(std::span<const UpdateSpan> spans, std::size_t states) {
  std::size_t bytes = 0;
  for (const UpdateSpan& span : spans) {
    bytes += span.gradient.size_bytes() + 2 * span.master.size_bytes();
    if (span.weight.bytes() != span.master.bytes()) {
      bytes += span.weight.size_bytes();
    }
    for (std::size_t k = 0; k < states; ++k) {
      bytes += 2 * span.states[k].size_bytes();
    }
  }
  return static_cast<double>(bytes);
}

double elements_of(std::span<const UpdateSpan> spans) {
  std::int64_t elements = 0;
  for (const UpdateSpan& span : spans) {
    elements += span.gradient.elements();
  }
  return static_cast<double>(elements);
}

}  // namespace dure::kernels
