// An activity of a rank that may be slow while others wait for it.
//
//   const comm::Activity saving(world, fmt::format("saving {}", name));
//
// While a rank is in an activity, its time does not count against
// Options::timeout_seconds of the ranks that wait: as long as its process
// answers, they say what they wait for (Options::say). While the rank itself
// waits for others, in a collective or for a message, its activities do not
// count.
#pragma once

#include <memory>
#include <string>

#include "dure/comm/communicator.h"

namespace dure::comm {

// Belongs to one rank. An inner activity is destroyed before the outer one.
class Activity {
 public:
  // Messages call it `what`, such as "saving step_00000020".
  Activity(const Communicator& ranks, std::string what)
      : recorder_(ranks.shared_recorder()) {
    recorder_->begin_activity(std::move(what));
  }
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;
  ~Activity() { recorder_->end_activity(); }

 private:
  std::shared_ptr<FlightRecorder> recorder_;
};

}  // namespace dure::comm
