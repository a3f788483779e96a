#include "dure/tensor/cuda/queue.h"

#include <utility>

#include "dure/base/check.h"
#include "dure/tensor/cuda/check.h"

namespace dure {
CudaQueue::CudaQueue()
    : events_(std::make_shared<CudaEventPool>(CudaEventPool::Timing::kOff)),
      timed_events_(
          std::make_shared<CudaEventPool>(CudaEventPool::Timing::kOn)) {
  DURE_CUDA(
      cudaStreamCreateWithFlags(stream_.address(), cudaStreamNonBlocking));
  staging_ = std::make_unique<CudaStaging>(stream_.get());
  void* fault = nullptr;
  DURE_CUDA(cudaMallocHost(&fault, sizeof(DeviceFault)));
  *fault_.address() = new (fault) DeviceFault;
}

Event CudaQueue::record_in(const std::shared_ptr<CudaEventPool>& pool) {
  return Event(std::make_shared<CudaPoint>(stream_.get(), pool, launched()));
}

Event CudaQueue::record() {
  return record_in(events_);
}

Event CudaQueue::mark() {
  if (!times_.has_begun()) {
    times_.begin(record_in(timed_events_));
  }
  return record_in(timed_events_);
}

void CudaQueue::trace_since(const Event& start,
                            Trace& trace,
                            const TraceEvent& event) {
  times_.add(start, mark(), trace, event);
}

CudaPoint::Before CudaQueue::launched() const {
  return {.copies = staging_->launched(), .stretches = times_.added()};
}

void CudaQueue::finish(const CudaPoint::Before& before) {
  staging_->finish(before.copies);
  times_.finish(before.stretches);
  throw_fault();
}

void CudaQueue::synchronize() {
  DURE_CUDA(cudaStreamSynchronize(stream_.get()));
  finish(launched());
}

void CudaQueue::synchronize(const Event& event) {
  CudaPoint& point = cuda_point(event);
  point.wait();
  finish(point.before());
}

void CudaQueue::throw_fault() {
  if (fault_.get()->what == 0) {
    return;
  }
  const DeviceFault fault = std::exchange(*fault_.get(), DeviceFault());
  throw Error("{}[{}] is {}, wanted 0 to {}",
              reinterpret_cast<const char*>(fault.what),
              fault.index,
              fault.value,
              fault.below - 1);
}

CudaQueue& cuda_queue(const DeviceQueue& queue) {
  return const_cast<CudaQueue&>(static_cast<const CudaQueue&>(queue));
}

std::unique_ptr<DeviceQueue> make_cuda_queue() {
  return std::make_unique<CudaQueue>();
}

}  // namespace dure
