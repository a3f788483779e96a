#include "dure/kernels/transfer.h"

#include <algorithm>

#include "dure/kernels/cpu/parallel.h"

namespace dure::kernels {

void run(OnCpu, Stream&, const Upload& op) {
  std::copy(
      op.host.begin(), op.host.end(), static_cast<std::byte*>(op.y.bytes()));
}

void run(OnCpu, Stream&, const Download& op) {
  const auto* from = static_cast<const std::byte*>(op.x.bytes());
  std::copy(from, from + op.host.size(), op.host.begin());
}

void run(OnCpu, Stream&, const EveryNthRow& op) {
  const auto [N, C] = op.y.dims<2>("y");
  for (std::int64_t i = 0; i < N; ++i) {
    const float* from = op.x.data<float>() + (i * op.n + op.n - 1) * C;
    std::copy(from, from + C, op.y.data<float>() + i * C);
  }
}

void run(OnCpu, Stream& stream, const JoinColumns& op) {
  const auto [T, N, C] = op.x.dims<3>("x");
  const auto copy_rows = [&, T = T, N = N, C = C](std::int64_t first,
                                                  std::int64_t last) {
    for (std::int64_t n = first; n < last; ++n) {
      for (std::int64_t t = 0; t < T; ++t) {
        const float* const from = op.x.data<float>() + (t * N + n) * C;
        std::copy(from, from + C, op.y.data<float>() + (n * T + t) * C);
      }
    }
  };
  parallel_ranges(stream, N, {.elements_per_item = T * C}, copy_rows);
}

}  // namespace dure::kernels
