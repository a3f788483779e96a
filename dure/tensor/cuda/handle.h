// Owners of what CUDA's runtime hands out.
#pragma once

#include <cuda_runtime_api.h>

namespace dure {

// Owns a handle; kDestroy gives it back. An error of that is ignored: there is
// nothing that could be done about it.
template <typename Handle, auto kDestroy>
class CudaHandle {
 public:
  CudaHandle() = default;
  CudaHandle(const CudaHandle&) = delete;
  CudaHandle& operator=(const CudaHandle&) = delete;
  ~CudaHandle() {
    if (handle_ != nullptr) {
      static_cast<void>(kDestroy(handle_));
      static_cast<void>(cudaGetLastError());  // the runtime keeps it
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
