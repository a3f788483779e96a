// The one place that knows how kernels are launched, on a GPU and on the
// emulated device (docs/cuda_emulator.md).
//
//   launch_kernel<add_kernel<float>>(stream, {.grid = blocks, .block = 256},
//                                    y, a, b, n);
//
// Shared memory is dynamic: a kernel names a struct of what it shares, and the
// launch its size.
#pragma once

#include <cuda_runtime.h>

#include "dure/tensor/cuda/check.h"
#include "dure/tensor/cuda/queue.h"
#include "dure/tensor/stream.h"

namespace dure::kernels {

struct LaunchShape {
  dim3 grid = 1;
  dim3 block = 1;
  std::size_t shared_bytes = 0;
};

inline constexpr std::size_t kSharedWithoutAsking = std::size_t{48} << 10;

inline cudaStream_t stream_of(const Stream& stream) {
  return cuda_queue(stream.queue()).stream();
}

// The block's shared memory as an object. It is not initialized.
template <typename Shared>
__device__ Shared& shared_memory() {
#ifdef DURE_CUDA_EMULATED
  return *static_cast<Shared*>(cuda_emulator::shared_memory());
#else
  extern __shared__ __align__(16) unsigned char bytes[];
  return *reinterpret_cast<Shared*>(bytes);
#endif
}

// Types of the arguments are those of the kernel's parameters.
template <typename... Parameters>
void* address_of(void (*kernel)(Parameters...)) {
  return reinterpret_cast<void*>(kernel);
}

#ifdef DURE_CUDA_EMULATED
template <auto kKernel>
constexpr const char* name_of_kernel() {
  return __PRETTY_FUNCTION__;
}
#endif

template <auto kKernel, typename... Arguments>
void launch_kernel(Stream& stream,
                   const LaunchShape& shape,
                   Arguments... arguments) {
  if (shape.shared_bytes > kSharedWithoutAsking) {
    DURE_CUDA(cudaFuncSetAttribute(address_of(kKernel),
                                   cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(shape.shared_bytes)));
  }
#ifdef DURE_CUDA_EMULATED
  cuda_emulator::launch({.kernel = name_of_kernel<kKernel>(),
                         .address = address_of(kKernel),
                         .grid = shape.grid,
                         .block = shape.block,
                         .shared_bytes = shape.shared_bytes,
                         .stream = stream_of(stream)},
                        [=] { kKernel(arguments...); });
#else
  kKernel<<<shape.grid, shape.block, shape.shared_bytes, stream_of(stream)>>>(
      arguments...);
#endif
  check_cuda(cudaGetLastError(), "cudaLaunchKernel");
}

}  // namespace dure::kernels
