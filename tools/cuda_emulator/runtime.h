// The frame of every emulated function of CUDA's runtime and libraries.
#pragma once

#include <mutex>
#include <utility>

#include <cuda_runtime_api.h>

#include "tools/cuda_emulator/stream_queue.h"

namespace cuda_emulator {

// Counts a call, and returns whether it must fail (fail_call()).
bool fails_now(const char* function);

// Keeps the error for cudaGetLastError() of this thread, and returns it.
cudaError_t remember(cudaError_t error);

// Runs body(), which returns an error, unless the call is chosen to fail or a
// kernel has failed before.
template <typename Body>
cudaError_t call(const char* function, const Body& body) {
  const std::scoped_lock lock(streams().lock());
  if (fails_now(function)) {
    return remember(cudaErrorUnknown);
  }
  if (!streams().fault().empty()) {
    return remember(cudaErrorLaunchFailure);
  }
  const cudaError_t error = body();
  return remember(streams().fault().empty() ? error : cudaErrorLaunchFailure);
}

}  // namespace cuda_emulator
