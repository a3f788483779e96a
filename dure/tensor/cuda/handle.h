// Owners of what CUDA's runtime hands out.
#pragma once

#include <cuda_runtime_api.h>

namespace dure {

// Owns a handle; kDestroy gives it back.
template <typename Handle, auto kDestroy>
class CudaHandle {
 public:
  CudaHandle() = default;
  CudaHandle(const CudaHandle&) = delete;
  CudaHandle& operator=(const CudaHandle&) = delete;
  ~CudaHandle() {
    if (handle_ != nullptr) {
      kDestroy(handle_);
    }
  }

  Handle get() const { return handle_; }
  Handle* address() { return &handle_; }

 private:
  Handle handle_ = nullptr;
};

using CudaStream = CudaHandle<cudaStream_t, cudaStreamDestroy>;
using CudaEvent = CudaHandle<cudaEvent_t, cudaEventDestroy>;

}  // namespace dure
