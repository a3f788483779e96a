#include "dure/kernels/matmul.h"

#include <algorithm>

#ifdef DURE_WITH_ONEDNN
#include <oneapi/dnnl/dnnl.hpp>
#endif

namespace dure::kernels {
namespace {

// What the product is added to: y as it is, or 0, bias and residual.
void prepare(const MatMul& op) {
  const auto [M, N] = op.y.dims<2>("y");
  float* const y = op.y.data();
  const float* const bias = op.bias ? op.bias.data() : nullptr;
  const float* const residual = op.residual ? op.residual.data() : nullptr;
#pragma omp parallel for schedule(static)
  for (std::int64_t m = 0; m < M; ++m) {
    for (std::int64_t n = 0; n < N; ++n) {
      y[m * N + n] = (residual != nullptr ? residual[m * N + n] : 0.0F) +
                     (bias != nullptr ? bias[n] : 0.0F);
    }
  }
}

}  // namespace

void run(OnCpu, Stream&, const MatMul& op) {
  const auto [M, N] = op.y.dims<2>("y");
  const std::int64_t K = M == 0 ? 0 : op.a.elements() / M;
  if (op.write == Write::kOverwrite) {
    prepare(op);
  }
  if (M == 0 || N == 0 || K == 0) {
    return;
  }
  const bool ta = op.transpose_a == Transpose::kYes;
  const bool tb = op.transpose_b == Transpose::kYes;
#ifdef DURE_WITH_ONEDNN
  dnnl::sgemm(ta ? 'T' : 'N',
              tb ? 'T' : 'N',
              M,
              N,
              K,
              1.0F,
              op.a.data(),
              ta ? M : K,
              op.b.data(),
              tb ? K : N,
              1.0F,
              op.y.data(),
              N);
#else
  const float* a = op.a.data();
  const float* b = op.b.data();
#pragma omp parallel for schedule(static)
  for (std::int64_t m = 0; m < M; ++m) {
    for (std::int64_t k = 0; k < K; ++k) {
      const float scale = ta ? a[k * M + m] : a[m * K + k];
      for (std::int64_t n = 0; n < N; ++n) {
        op.y.data()[m * N + n] += scale * (tb ? b[n * K + k] : b[k * N + n]);
      }
    }
  }
#endif
}

void run(OnCpu, Stream&, const ColumnSum& op) {
  const auto [N, C] = op.x.dims<2>("x");
  constexpr std::int64_t kStrip = 256;
  const float* const x = op.x.data();
  float* const y = op.y.data();
#pragma omp parallel for schedule(static)
  for (std::int64_t first = 0; first < C; first += kStrip) {
    const std::int64_t last = std::min(first + kStrip, C);
    if (op.write == Write::kOverwrite) {
      std::fill(y + first, y + last, 0.0F);
    }
    for (std::int64_t n = 0; n < N; ++n) {
      for (std::int64_t c = first; c < last; ++c) {
        y[c] += x[n * C + c];
      }
    }
  }
}

}  // namespace dure::kernels
