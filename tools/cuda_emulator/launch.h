// How a kernel is launched on the emulated device.
#pragma once

#include <cstddef>
#include <functional>

#include <cuda_runtime_api.h>

namespace cuda_emulator {

struct KernelLaunch {
  const char* kernel = "";        // its name, for reports
  const void* address = nullptr;  // for what cudaFuncSetAttribute has set
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;
  cudaStream_t stream = nullptr;
};

// Enqueues the kernel, of which `thread` runs one thread. Returns an error for
// a launch that no device can make.
cudaError_t launch(const KernelLaunch& kernel, std::function<void()> thread);

}  // namespace cuda_emulator
