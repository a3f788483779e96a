#include <algorithm>
#include <cmath>

#include "dure/kernels/cuda/exact_sum.cuh"
#include "dure/kernels/cuda/flat.cuh"
#include "dure/kernels/cuda/squares.cuh"
#include "dure/kernels/squared_norm.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

// A thread adds up every so many-th group of a span.
template <typename Element>
__global__ void squares_kernel(std::int64_t* sum,
                               std::int64_t* first_nonfinite,
                               const Element* x,
                               std::int64_t n,
                               std::int64_t span) {
  auto& digits = shared_memory<SharedDigits>();
  clear(digits);
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x * kSquareGroup;
  for (std::int64_t i = flat_index() * kSquareGroup; i < n; i += step) {
    const double squares =
        squares_of_group(n - i < kSquareGroup ? n - i : kSquareGroup,
                         [&](std::int64_t j) { return widened(x[i + j]); });
    add_to(digits, squares);
    if (!std::isfinite(squares)) {
      atomicMin(reinterpret_cast<long long*>(first_nonfinite),
                static_cast<long long>(span));
    }
  }
  flush(digits, sum);
}

}  // namespace

void run(OnCuda, Stream& stream, const SquaredNorm& op) {
  // Adding the digits of a block up takes as long as some thousand groups.
  constexpr std::int64_t kMostBlocks = 512;
  auto* const sum = op.sum.data<std::int64_t>();
  for (std::size_t s = 0; s < op.spans.size(); ++s) {
    const ConstTensor& span = op.spans[s];
    const std::int64_t n = span.elements();
    LaunchShape shape = flat_shape(n, kSquareGroup);
    shape.grid.x = static_cast<unsigned>(
        std::min<std::int64_t>(shape.grid.x, kMostBlocks));
    shape.shared_bytes = sizeof(SharedDigits);
    with_float_type(span.dtype(), [&](auto element) {
      using Element = decltype(element);
      launch_kernel<squares_kernel<Element>>(
          stream,
          shape,
          sum,
          op.first_nonfinite.data<std::int64_t>(),
          span.data<Element>(),
          n,
          op.first_span + static_cast<std::int64_t>(s));
    });
  }
  launch_kernel<carry_kernel>(
      stream, {.grid = 1, .block = 1}, sum, std::int64_t{1});
}

}  // namespace dure::kernels
