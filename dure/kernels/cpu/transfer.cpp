#include "dure/kernels/transfer.h"

#include <algorithm>

#include "dure/kernels/cpu/parallel.h"

namespace dure::kernels {
namespace {

const std::byte* first_byte(const ConstTensor& x) {
  return static_cast<const std::byte*>(x.bytes());
}
std::byte* first_byte(const Tensor& y) {
  return static_cast<std::byte*>(y.bytes());
}

}  // namespace

void run(OnCpu, Stream&, const Upload& op) {
  std::copy(op.host.begin(), op.host.end(), first_byte(op.y));
}

void run(OnCpu, Stream&, const Download& op) {
  std::copy_n(first_byte(op.x), op.host.size(), op.host.begin());
}

void run(OnCpu, Stream&, const EveryNthRow& op) {
  const auto [N, C] = op.y.dims<2>("y");
  const auto row = C * static_cast<std::int64_t>(size_of(op.y.dtype()));
  for (std::int64_t i = 0; i < N; ++i) {
    const std::byte* const from =
        first_byte(op.x) + (i * op.n + op.n - 1) * row;
    std::copy(from, from + row, first_byte(op.y) + i * row);
  }
}

void run(OnCpu, Stream& stream, const JoinColumns& op) {
  const auto [T, N, C] = op.x.dims<3>("x");
  const auto row = C * static_cast<std::int64_t>(size_of(op.x.dtype()));
  const auto copy_rows = [&, T = T, N = N](std::int64_t first,
                                           std::int64_t last) {
    for (std::int64_t n = first; n < last; ++n) {
      for (std::int64_t t = 0; t < T; ++t) {
        const std::byte* const from = first_byte(op.x) + (t * N + n) * row;
        std::copy(from, from + row, first_byte(op.y) + (n * T + t) * row);
      }
    }
  };
  parallel_ranges(stream, N, {.elements_per_item = T * C}, copy_rows);
}

}  // namespace dure::kernels
