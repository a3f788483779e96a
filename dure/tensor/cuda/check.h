// The wrapper of every call to CUDA's runtime.
#pragma once

#include <cuda_runtime_api.h>

namespace dure {

// Throws Error with the call and CUDA's own text.
void check_cuda(cudaError_t error, const char* call);

}  // namespace dure

// Throws Error if the call fails.
#define DURE_CUDA(call) ::dure::check_cuda((call), #call)
