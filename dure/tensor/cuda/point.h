// A point of a stream's work: a CUDA event, and what came before it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "dure/tensor/cuda/handle.h"
#include "dure/tensor/event.h"

namespace dure {

// Events that are free to be recorded again. Making one takes much longer than
// recording it.
class CudaEventPool {
 public:
  enum class Timing { kOff, kOn };

  explicit CudaEventPool(Timing timing) : timing_(timing) {}

  std::unique_ptr<CudaEvent> take();
  void give_back(std::unique_ptr<CudaEvent> event) {
    free_.push_back(std::move(event));
  }

 private:
  Timing timing_;
  std::vector<std::unique_ptr<CudaEvent>> free_;
};

class CudaPoint final : public Event::Pending {
 public:
  // So many of the queue's copies and of its traced stretches are over once the
  // device has passed the point.
  struct Before {
    std::int64_t copies = 0;
    std::int64_t stretches = 0;
  };

  // Records an event of the pool.
  CudaPoint(cudaStream_t stream,
            std::shared_ptr<CudaEventPool> pool,
            const Before& before);
  ~CudaPoint() override { pool_->give_back(std::move(event_)); }

  void wait() override;
  void hold(DeviceQueue& queue) override;

  cudaEvent_t event() const { return event_->get(); }
  const Before& before() const { return before_; }
  // When the host recorded it.
  double host_seconds() const { return host_seconds_; }

 private:
  std::shared_ptr<CudaEventPool> pool_;
  std::unique_ptr<CudaEvent> event_;
  Before before_;
  double host_seconds_;
};

// The point of an event that a stream on kCuda recorded.
inline CudaPoint& cuda_point(const Event& event) {
  return static_cast<CudaPoint&>(*event.pending());
}

}  // namespace dure
