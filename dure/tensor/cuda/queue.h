// A CUDA stream and its events.
#pragma once

#include <memory>

#include "dure/tensor/cuda/fault.h"
#include "dure/tensor/cuda/handle.h"
#include "dure/tensor/cuda/point.h"
#include "dure/tensor/cuda/staging.h"
#include "dure/tensor/cuda/times.h"
#include "dure/tensor/device_queue.h"

namespace dure {

class CudaQueue final : public DeviceQueue {
 public:
  CudaQueue();

  Event record() override;
  void synchronize() override;
  void synchronize(const Event& event) override;
  Event mark() override;
  void trace_since(const Event& start,
                   Trace& trace,
                   const TraceEvent& event) override;

  // Copies to and from the host, in the stream's order.
  CudaStaging& staging() { return *staging_; }

  cudaStream_t stream() const { return stream_.get(); }
  // Where kernels report what is wrong with their data.
  DeviceFault* fault() const { return fault_.get(); }

 private:
  Event record_in(const std::shared_ptr<CudaEventPool>& pool);
  // The device has done what came before.
  void finish(const CudaPoint::Before& before);
  CudaPoint::Before launched() const;
  void throw_fault();

  CudaStream stream_;
  std::unique_ptr<CudaStaging> staging_;
  CudaTimes times_;
  std::shared_ptr<CudaEventPool> events_;
  std::shared_ptr<CudaEventPool> timed_events_;
  CudaHandle<DeviceFault*, cudaFreeHost> fault_;
};

// The CUDA stream of a stream on kCuda.
CudaQueue& cuda_queue(const DeviceQueue& queue);

}  // namespace dure
