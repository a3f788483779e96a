#include "dure/kernels/cuda/any_floats.cuh"
#include "dure/kernels/cuda/dropout_mask.cuh"
#include "dure/kernels/cuda/flat.cuh"
#include "dure/kernels/dropout.h"

namespace dure::kernels {
namespace {

__device__ void write(const AnyFloats& y,
                      const AnyFloats& residual,
                      std::int64_t i,
                      float value) {
  y.store_one(i,
              residual.data == nullptr ? value : value + residual.load_one(i));
}

// A thread has the elements of one block of the generator.
__global__ void drop_kernel(AnyFloats y,
                            AnyFloats x,
                            AnyFloats residual,
                            std::int64_t n,
                            DeviceMask mask) {
  const std::uint64_t first = mask.first_index();
  const auto before = static_cast<std::int64_t>(first % 4);
  const std::int64_t begin = flat_index() * 4 - before;
  if (begin >= n) {
    return;
  }
  const Words words = philox_block(
      mask.key, first / 4 + static_cast<std::uint64_t>(flat_index()), 0);
  for (std::int64_t w = 0; w < 4; ++w) {
    const std::int64_t i = begin + w;
    if (i >= 0 && i < n) {
      write(y,
            residual,
            i,
            mask.keeps(words.of[w]) ? x.load_one(i) * mask.scale : 0.0F);
    }
  }
}

// The case of rate 0.
__global__ void pass_kernel(AnyFloats y,
                            AnyFloats x,
                            AnyFloats residual,
                            std::int64_t n) {
  if (const std::int64_t i = flat_index(); i < n) {
    write(y, residual, i, x.load_one(i));
  }
}

}  // namespace

void run(OnCuda, Stream& stream, const Dropout& op) {
  const std::int64_t n = op.x.elements();
  const bool is_there = op.y.bytes() == op.x.bytes() && !op.residual;
  const AnyFloats y(op.y);
  const AnyFloats x(op.x);
  const AnyFloats residual(op.residual);
  if (op.mask.rate > 0) {
    // The first block may begin before the first element.
    launch_kernel<drop_kernel>(
        stream, flat_shape(n + 3, 4), y, x, residual, n, device_mask(op.mask));
  } else if (!is_there) {
    launch_kernel<pass_kernel>(stream, flat_shape(n), y, x, residual, n);
  }
}

}  // namespace dure::kernels
