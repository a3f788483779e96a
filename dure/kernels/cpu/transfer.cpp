#include "dure/kernels/transfer.h"

#include <algorithm>

#include "dure/kernels/cpu/parallel.h"

namespace dure::kernels {
namespace {

void copy_bytes(const Tensor& to, const ConstTensor& from) {
  std::copy_n(static_cast<const std::byte*>(from.bytes()),
              from.size_bytes(),
              static_cast<std::byte*>(to.bytes()));
}

}  // namespace

void run(OnCpu, Stream&, const Upload& op) {
  std::copy(
      op.host.begin(), op.host.end(), static_cast<std::byte*>(op.y.bytes()));
}

void run(OnCpu, Stream&, const Download& op) {
  const auto* from = static_cast<const std::byte*>(op.x.bytes());
  std::copy(from, from + op.host.size(), op.host.begin());
}

void run(OnCpu, Stream&, const EveryNthRow& op) {
  for (std::int64_t i = 0; i < op.y.shape()[0]; ++i) {
    copy_bytes(op.y.rows(i, 1), op.x.rows(i * op.n + op.n - 1, 1));
  }
}

void run(OnCpu, Stream& stream, const JoinColumns& op) {
  const auto [T, N, C] = op.x.dims<3>("x");
  const ConstTensor x = op.x.reshaped({T * N, C});
  const Tensor y = op.y.reshaped({N * T, C});
  const auto copy_rows = [&, T = T, N = N](std::int64_t first,
                                           std::int64_t last) {
    for (std::int64_t n = first; n < last; ++n) {
      for (std::int64_t t = 0; t < T; ++t) {
        copy_bytes(y.rows(n * T + t, 1), x.rows(t * N + n, 1));
      }
    }
  };
  parallel_ranges(stream, N, {.elements_per_item = T * C}, copy_rows);
}

}  // namespace dure::kernels
