// A CUDA stream and its events.
#pragma once

#include <memory>
#include <vector>

#include <cuda_runtime_api.h>

#include "dure/tensor/cuda/fault.h"
#include "dure/tensor/device_queue.h"

namespace dure {

// Owns a handle of CUDA's runtime; kDestroy gives it back.
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

// Events that are free to be recorded again. Making one takes much longer than
// recording it.
class CudaEventPool {
 public:
  std::unique_ptr<CudaEvent> take();
  void give_back(std::unique_ptr<CudaEvent> event) {
    free_.push_back(std::move(event));
  }

 private:
  std::vector<std::unique_ptr<CudaEvent>> free_;
};

class CudaQueue final : public DeviceQueue {
 public:
  CudaQueue();

  Event record() override;
  void synchronize() override;

  cudaStream_t stream() const { return stream_.get(); }
  // Where kernels report what is wrong with their data.
  DeviceFault* fault() const { return fault_.get(); }

 private:
  CudaStream stream_;
  std::shared_ptr<CudaEventPool> events_;
  CudaHandle<DeviceFault*, cudaFreeHost> fault_;
};

// The CUDA stream of a stream on kCuda.
CudaQueue& cuda_queue(const DeviceQueue& queue);

}  // namespace dure
