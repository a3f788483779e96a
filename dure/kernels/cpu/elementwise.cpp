#include "dure/kernels/elementwise.h"

#include <algorithm>

#include "dure/kernels/cpu/parallel.h"

namespace dure::kernels {
namespace {

void fill_row(const FillNormal& op, std::int64_t n, std::int64_t C) {
  float* const y = op.y.data<float>() + n * C;
  const std::int64_t row = op.first_row + n;
  if (row >= op.filled_rows) {
    std::fill(y, y + C, 0.0F);
    return;
  }
  const std::int64_t first = row * op.columns + op.first_column;
  op.stream.normals(static_cast<std::uint64_t>(first),
                    {y, static_cast<std::size_t>(C)});
  for (std::int64_t c = 0; c < C; ++c) {
    y[c] *= op.deviation;
  }
}

}  // namespace

void run(OnCpu, Stream& stream, const Fill& op) {
  float* const y = op.y.data<float>();
  parallel_ranges(stream,
                  op.y.elements(),
                  kFlat,
                  [&](std::int64_t first, std::int64_t last) {
                    std::fill(y + first, y + last, op.value);
                  });
}

void run(OnCpu, Stream& stream, const Copy& op) {
  const float* const x = op.x.data<float>();
  float* const y = op.y.data<float>();
  parallel_ranges(stream,
                  op.y.elements(),
                  kFlat,
                  [&](std::int64_t first, std::int64_t last) {
                    std::copy(x + first, x + last, y + first);
                  });
}

// Plain loops: the compiler's vectors keep up with memory.
void run(OnCpu, Stream& stream, const Add& op) {
  float* const y = op.y.data<float>();
  const float* const a = op.a.data<float>();
  const float* const b = op.b.data<float>();
  parallel_ranges(stream,
                  op.y.elements(),
                  kFlat,
                  [&](std::int64_t first, std::int64_t last) {
                    for (std::int64_t i = first; i < last; ++i) {
                      y[i] = a[i] + b[i];
                    }
                  });
}

void run(OnCpu, Stream& stream, const FillNormal& op) {
  const auto [N, C] = op.y.dims<2>("y");
  parallel_ranges(stream,
                  N,
                  {.elements_per_item = C},
                  [&, C = C](std::int64_t first, std::int64_t last) {
                    for (std::int64_t n = first; n < last; ++n) {
                      fill_row(op, n, C);
                    }
                  });
}

}  // namespace dure::kernels
