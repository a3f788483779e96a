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

// Does this for a body that gives something back, which a chosen failure does
// not keep it from.
template <typename Body>
cudaError_t call_to_give_back(const char* function, const Body& body) {
  const std::scoped_lock lock(streams().lock());
  const bool fails = fails_now(function);
  const cudaError_t error = streams().fault().empty() ? body() : cudaSuccess;
  if (!streams().fault().empty()) {
    return remember(cudaErrorLaunchFailure);
  }
  return remember(fails ? cudaErrorUnknown : error);
}

// Adds to what the program holds of this kind.
void hold(const char* kind, std::int64_t more);

}  // namespace cuda_emulator
