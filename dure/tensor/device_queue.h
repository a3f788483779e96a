// A device's own queue of work, behind a stream.
#pragma once

#include <memory>

#include "dure/base/trace.h"
#include "dure/tensor/device.h"
#include "dure/tensor/event.h"

namespace dure {

// Threads: one at a time.
class DeviceQueue {
 public:
  DeviceQueue() = default;
  DeviceQueue(const DeviceQueue&) = delete;
  DeviceQueue& operator=(const DeviceQueue&) = delete;
  virtual ~DeviceQueue() = default;

  // Each does what the function of the same name of Stream says.
  virtual Event record() = 0;
  virtual void synchronize() = 0;
  virtual void synchronize(const Event& event) = 0;  // an event of this queue
  virtual Event mark() = 0;
  virtual void trace_since(const Event& start,
                           Trace& trace,
                           const TraceEvent& event) = 0;
};

// Null on kCpu and kSim, where work is done when it is launched. Throws Error
// if there is no such device.
std::unique_ptr<DeviceQueue> make_device_queue(Device device);

// In tensor/cuda.
std::unique_ptr<DeviceQueue> make_cuda_queue();

}  // namespace dure
