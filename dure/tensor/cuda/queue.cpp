#include "dure/tensor/cuda/queue.h"

#include <utility>

#include "dure/base/check.h"
#include "dure/tensor/cuda/check.h"

namespace dure {
namespace {

// A point of a queue's work.
class CudaPoint final : public Event::Pending {
 public:
  CudaPoint(std::unique_ptr<CudaEvent> event,
            std::shared_ptr<CudaEventPool> pool,
            std::int64_t copies)
      : event_(std::move(event)), pool_(std::move(pool)), copies_(copies) {}
  ~CudaPoint() override { pool_->give_back(std::move(event_)); }

  void wait() override { DURE_CUDA(cudaEventSynchronize(event_->get())); }
  // The queue's copies before this point.
  std::int64_t copies() const { return copies_; }
  void hold(DeviceQueue& queue) override {
    DURE_CUDA(
        cudaStreamWaitEvent(cuda_queue(queue).stream(), event_->get(), 0));
  }

 private:
  std::unique_ptr<CudaEvent> event_;
  std::shared_ptr<CudaEventPool> pool_;
  std::int64_t copies_;
};

}  // namespace

std::unique_ptr<CudaEvent> CudaEventPool::take() {
  if (!free_.empty()) {
    std::unique_ptr<CudaEvent> event = std::move(free_.back());
    free_.pop_back();
    return event;
  }
  auto event = std::make_unique<CudaEvent>();
  DURE_CUDA(cudaEventCreateWithFlags(event->address(), cudaEventDisableTiming));
  return event;
}

CudaQueue::CudaQueue() : events_(std::make_shared<CudaEventPool>()) {
  DURE_CUDA(
      cudaStreamCreateWithFlags(stream_.address(), cudaStreamNonBlocking));
  staging_ = std::make_unique<CudaStaging>(stream_.get());
  void* fault = nullptr;
  DURE_CUDA(cudaMallocHost(&fault, sizeof(DeviceFault)));
  *fault_.address() = new (fault) DeviceFault;
}

Event CudaQueue::record() {
  std::unique_ptr<CudaEvent> event = events_->take();
  DURE_CUDA(cudaEventRecord(event->get(), stream_.get()));
  return Event(std::make_shared<CudaPoint>(
      std::move(event), events_, staging_->launched()));
}

void CudaQueue::synchronize() {
  DURE_CUDA(cudaStreamSynchronize(stream_.get()));
  staging_->finish(staging_->launched());
  throw_fault();
}

void CudaQueue::synchronize(const Event& event) {
  auto& point = static_cast<CudaPoint&>(*event.pending());
  point.wait();
  staging_->finish(point.copies());
  throw_fault();
}

void CudaQueue::throw_fault() {
  if (fault_.get()->what == 0) {
    return;
  }
  const DeviceFault fault = std::exchange(*fault_.get(), DeviceFault());
  throw Error("{}: wanted a number in [0, {}), got {} at index {}",
              reinterpret_cast<const char*>(fault.what),
              fault.below,
              fault.value,
              fault.index);
}

CudaQueue& cuda_queue(const DeviceQueue& queue) {
  return const_cast<CudaQueue&>(static_cast<const CudaQueue&>(queue));
}

std::unique_ptr<DeviceQueue> make_cuda_queue() {
  return std::make_unique<CudaQueue>();
}

}  // namespace dure
