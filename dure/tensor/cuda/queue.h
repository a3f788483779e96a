// A CUDA stream and its events.
#pragma once

#include <memory>
#include <vector>

#include "dure/tensor/cuda/fault.h"
#include "dure/tensor/cuda/handle.h"
#include "dure/tensor/cuda/staging.h"
#include "dure/tensor/device_queue.h"

namespace dure {

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
  void synchronize(const Event& event) override;

  // Copies to and from the host, in the stream's order.
  CudaStaging& staging() { return *staging_; }

  cudaStream_t stream() const { return stream_.get(); }
  // Where kernels report what is wrong with their data.
  DeviceFault* fault() const { return fault_.get(); }

 private:
  void throw_fault();

  CudaStream stream_;
  std::unique_ptr<CudaStaging> staging_;
  std::shared_ptr<CudaEventPool> events_;
  CudaHandle<DeviceFault*, cudaFreeHost> fault_;
};

// The CUDA stream of a stream on kCuda.
CudaQueue& cuda_queue(const DeviceQueue& queue);

}  // namespace dure
