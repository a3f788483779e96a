// A stream: where operations are launched, in order.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <typeindex>

#include "dure/base/team.h"
#include "dure/base/trace.h"
#include "dure/tensor/device.h"

namespace dure {

struct StreamOptions {
  DeviceRates rates = {};  // of a simulated device
  int threads = 0;         // of a CPU; 0: as many as the caller may use
};

class Stream {
 public:
  explicit Stream(Device device, const StreamOptions& options = {})
      : device_(device),
        rates_(options.rates),
        team_(std::make_unique<Team>(options.threads)) {}
  Stream(Stream&&) = default;
  Stream& operator=(Stream&&) = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() = default;

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

  // The threads that operations share their work over.
  Team& team() const { return *team_; }

  // What operations keep between launches, such as the memory they pack into:
  // one object a type, made when first asked for. Operations on one stream run
  // one after another, so whoever runs has it alone.
  template <typename T>
  T& kept() {
    auto& slot = kept_[std::type_index(typeid(T))];
    if (slot == nullptr) {
      slot = std::make_shared<T>();
    }
    return *static_cast<T*>(slot.get());
  }

 private:
  Device device_;
  DeviceRates rates_;
  double seconds_ = 0;
  Trace* trace_ = nullptr;
  std::unique_ptr<Team> team_;
  std::map<std::type_index, std::shared_ptr<void>> kept_;
};

}  // namespace dure
