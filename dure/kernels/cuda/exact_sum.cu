#include "dure/kernels/cuda/exact_sum.cuh"
#include "dure/kernels/cuda/flat.cuh"
#include "dure/kernels/exact_sum.h"

namespace dure::kernels {
namespace {

__global__ void add_kernel(std::int64_t* sum, const float* x, std::int64_t n) {
  auto& digits = shared_memory<SharedDigits>();
  clear(digits);
  if (const std::int64_t i = flat_index(); i < n) {
    add_to(digits, x[i]);
  }
  flush(digits, sum);
}

}  // namespace

void run(OnCuda, Stream& stream, const AddToExactSum& op) {
  LaunchShape shape = flat_shape(op.x.elements());
  shape.shared_bytes = sizeof(SharedDigits);
  auto* const sum = op.sum.data<std::int64_t>();
  launch_kernel<add_kernel>(
      stream, shape, sum, op.x.data<float>(), op.x.elements());
  launch_kernel<carry_kernel>(
      stream, {.grid = 1, .block = 1}, sum, std::int64_t{1});
}

}  // namespace dure::kernels
