// A stream: where operations are launched, in order.
//
// The work of two streams is ordered only by events: one stream records an
// event, the other waits for it. The host reads tensor memory only after
// synchronize().
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <typeindex>

#include "dure/base/team.h"
#include "dure/base/trace.h"
#include "dure/tensor/device.h"
#include "dure/tensor/device_queue.h"
#include "dure/tensor/event.h"
#include "dure/tensor/stream_order.h"

namespace dure {

struct StreamOptions {
  DeviceRates rates = {};  // of a simulated device
  int threads = 0;         // of a CPU; 0: as many as the caller may use
  // The check of the order of the rank's streams; null: there is none.
  std::shared_ptr<StreamOrder> order = StreamOrder::of_thread();
};

class Stream {
 public:
  explicit Stream(Device device, const StreamOptions& options = {})
      : device_(device),
        rates_(options.rates),
        queue_(make_device_queue(device)),
        order_(options.order == nullptr
                   ? nullptr
                   : std::make_unique<OrderLane>(options.order, "stream {}")),
        team_(std::make_unique<Team>(options.threads)) {}
  Stream(Stream&&) = default;
  Stream& operator=(Stream&&) = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() = default;

  Device device() const { return device_; }

  // The simulated time of the operations so far, on kSim.
  double seconds() const { return seconds_; }
  void advance(double seconds) { seconds_ += seconds; }

  // The stream's clock in seconds, for traces: that of a simulated device, else
  // the machine's.
  double now() const {
    return device_ == Device::kSim ? seconds_ : monotonic_seconds();
  }

  // The point after everything launched so far.
  Event record() const {
    Event event = queue_ != nullptr ? queue_->record() : Event(seconds_);
    if (order_ != nullptr) {
      event.set_order(order_->point());
    }
    return event;
  }

  // Whatever is launched from now on begins after the event. A stream of the
  // CPU blocks this rank's thread and throws the event's error; this does not
  // count as a host synchronization.
  void wait(const Event& event) {
    if (order_ != nullptr) {
      order_->wait(event.order());
    }
    if (event.pending() != nullptr && queue_ != nullptr) {
      event.pending()->hold(*queue_);
    } else if (event.pending() != nullptr) {
      event.pending()->wait();
    }
    seconds_ = std::max(seconds_, event.seconds());
  }

  // Blocks the host until everything launched so far is done, or what was
  // launched before an event that this stream recorded; no other call does. On
  // the CPU and on kSim it is done already. Throws Error if an operation failed
  // on the device.
  void synchronize() {
    ++synchronizations_;
    if (queue_ != nullptr) {
      queue_->synchronize();
    }
    if (order_ != nullptr) {
      order_->order()->host_waits(order_->point());
    }
  }
  void synchronize(const Event& event) {
    ++synchronizations_;
    if (queue_ != nullptr) {
      queue_->synchronize(event);
    }
    if (order_ != nullptr) {
      order_->order()->host_waits(event.order());
    }
  }

  // The queue of the device that does the stream's work, which is kCuda.
  DeviceQueue& queue() const { return *queue_; }
  // This stream in the check of the order of streams; null: nothing is checked.
  OrderLane* order() const { return order_.get(); }
  // How often synchronize() was called: a test counts it in a steady step.
  std::int64_t synchronizations() const { return synchronizations_; }

  // The time on a roofline machine: the longer of computing and moving bytes.
  double roofline_seconds(double flops, double bytes) const {
    return std::max(flops / rates_.flops_per_second,
                    bytes / rates_.bytes_per_second);
  }

  // Where launches are recorded; null if they are not. To take a trace away is
  // a synchronize(): it has everything then.
  Trace* trace() const { return trace_; }
  void set_trace(Trace* trace) {
    if (trace_ != nullptr) {
      synchronize();
    }
    trace_ = trace;
  }

  // The point in time after everything launched so far, if there is a trace.
  Event mark() const {
    return trace_ == nullptr   ? Event()
           : queue_ != nullptr ? queue_->mark()
                               : Event(now());
  }

  // Records, where there is a trace, what the stream did since a mark(): the
  // event gets its times, by the clock of the device that did it. A GPU's are
  // in the trace after a synchronize() that waits for them.
  void trace_since(const Event& start, TraceEvent event) const {
    if (trace_ != nullptr && queue_ != nullptr) {
      queue_->trace_since(start, *trace_, event);
    } else if (trace_ != nullptr) {
      event.start_seconds = start.seconds();
      event.seconds = now() - start.seconds();
      trace_->record(event);
    }
  }

  // The threads that operations share their work over.
  Team& team() const { return *team_; }

  // State that operations reuse between launches, such as memory for packing:
  // one object of each type, made when first asked for. Operations on one
  // stream run one after another, so the running one has it alone.
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
  std::unique_ptr<DeviceQueue> queue_;  // null on kCpu and kSim
  std::unique_ptr<OrderLane> order_;    // null: nothing is checked
  double seconds_ = 0;
  std::int64_t synchronizations_ = 0;
  Trace* trace_ = nullptr;
  std::unique_ptr<Team> team_;
  std::map<std::type_index, std::shared_ptr<void>> kept_;
};

// A stream of the host's own thread, for collectives of numbers that are in no
// tensor memory.
inline Stream host_stream() {
  return Stream(Device::kCpu, {.threads = 1});
}

}  // namespace dure
