// A stream: where operations are launched, in order.
#pragma once

#include <algorithm>

#include "dure/base/trace.h"
#include "dure/tensor/device.h"

namespace dure {

class Stream {
 public:
  explicit Stream(Device device, DeviceRates rates = {})
      : device_(device), rates_(rates) {}

  Device device() const { return device_; }

  // On kSim: the time that the operations so far would have taken.
  double seconds() const { return seconds_; }
  void advance(double seconds) { seconds_ += seconds; }

  // A roofline machine: whichever of the two takes longer.
  double roofline_seconds(double flops, double bytes) const {
    return std::max(flops / rates_.flops_per_second,
                    bytes / rates_.bytes_per_second);
  }

  // Where launches are recorded; null: nowhere.
  Trace* trace() const { return trace_; }
  void set_trace(Trace* trace) { trace_ = trace; }

 private:
  Device device_;
  DeviceRates rates_;
  double seconds_ = 0;
  Trace* trace_ = nullptr;
};

}  // namespace dure
