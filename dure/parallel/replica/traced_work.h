// A collective on its way, which the trace learns of when it is over.
#pragma once

#include <cstddef>

#include "dure/base/trace.h"
#include "dure/comm/communicator.h"
#include "dure/tensor/stream.h"

namespace dure::parallel {

// Empty: nothing is on its way.
class TracedWork {
 public:
  TracedWork() = default;

  // Starts `op`; `name`, of static storage, is what traces call it. The stream
  // is the rank's, and outlives this.
  template <typename Op>
  TracedWork(Stream& stream,
             comm::Communicator& ranks,
             const char* name,
             const Op& op)
      : stream_(&stream),
        name_(name),
        start_(now()),
        bytes_(op.y.size_bytes()),
        work_(ranks.start(op)) {}

  bool done() const { return work_.done(); }

  // Returns when it is done. A second time there is nothing to wait for.
  void wait();

 private:
  double now() const {
    return stream_->device() == Device::kSim ? stream_->seconds()
                                             : monotonic_seconds();
  }

  Stream* stream_ = nullptr;
  const char* name_ = nullptr;
  double start_ = 0;
  std::size_t bytes_ = 0;
  comm::Work work_;
};

}  // namespace dure::parallel
