#include <algorithm>

#include "dure/kernels/count_exponents.h"
#include "dure/kernels/cuda/any_floats.cuh"
#include "dure/kernels/cuda/flat.cuh"
#include "dure/kernels/exponents.h"

namespace dure::kernels {
namespace {

struct SharedCounts {
  unsigned long long of[CountExponents::kCounts];
};

// A block counts in shared memory, and adds its counts to all.
__global__ void count_kernel(unsigned long long* counts,
                             const float* scale,
                             AnyFloats x,
                             std::int64_t n) {
  auto& shared = shared_memory<SharedCounts>();
  for (std::int64_t c = threadIdx.x; c < CountExponents::kCounts;
       c += blockDim.x) {
    shared.of[c] = 0;
  }
  __syncthreads();
  const std::uint32_t fraction = parts_of(magnitude_of(*scale)).fraction;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = flat_index(); i < n; i += step) {
    atomicAdd(&shared.of[place_of(magnitude_of(x.load_one(i)), fraction)],
              1ULL);
  }
  __syncthreads();
  for (std::int64_t c = threadIdx.x; c < CountExponents::kCounts;
       c += blockDim.x) {
    if (shared.of[c] != 0) {
      atomicAdd(&counts[c], shared.of[c]);
    }
  }
}

}  // namespace

void run(OnCuda, Stream& stream, const CountExponents& op) {
  constexpr std::int64_t kMostBlocks = 1024;
  for (const ConstTensor& span : op.spans) {
    LaunchShape shape = flat_shape(span.elements());
    shape.grid.x = static_cast<unsigned>(
        std::min<std::int64_t>(shape.grid.x, kMostBlocks));
    shape.shared_bytes = sizeof(SharedCounts);
    launch_kernel<count_kernel>(
        stream,
        shape,
        reinterpret_cast<unsigned long long*>(op.counts.data<std::int64_t>()),
        op.scale.data<float>(),
        AnyFloats(span),
        span.elements());
  }
}

}  // namespace dure::kernels
