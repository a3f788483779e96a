#include "dure/tensor/cuda/point.h"

#include "dure/base/trace.h"
#include "dure/tensor/cuda/check.h"
#include "dure/tensor/cuda/queue.h"

namespace dure {

std::unique_ptr<CudaEvent> CudaEventPool::take() {
  if (!free_.empty()) {
    std::unique_ptr<CudaEvent> event = std::move(free_.back());
    free_.pop_back();
    return event;
  }
  auto event = std::make_unique<CudaEvent>();
  DURE_CUDA(cudaEventCreateWithFlags(
      event->address(),
      timing_ == Timing::kOn ? cudaEventDefault : cudaEventDisableTiming));
  return event;
}

CudaPoint::CudaPoint(cudaStream_t stream,
                     std::shared_ptr<CudaEventPool> pool,
                     const Before& before)
    : pool_(std::move(pool)),
      event_(pool_->take()),
      before_(before),
      host_seconds_(monotonic_seconds()) {
  DURE_CUDA(cudaEventRecord(event(), stream));
}

void CudaPoint::wait() {
  DURE_CUDA(cudaEventSynchronize(event()));
}

void CudaPoint::hold(DeviceQueue& queue) {
  DURE_CUDA(cudaStreamWaitEvent(cuda_queue(queue).stream(), event(), 0));
}

}  // namespace dure
