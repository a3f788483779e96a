// What a rank does that may be slow while others wait for it.
//
//   const comm::Activity saving(world, concat("saving ", name));
//
// The time in which a rank is at such a thing does not count against
// Options::timeout_seconds of those that wait, wherever they do: they say what
// they wait for (Options::say) for as long as its process answers. While the
// rank itself waits for others, in a collective or for a message, it is not at
// it.
#pragma once

#include <memory>
#include <string>

#include "dure/comm/communicator.h"

namespace dure::comm {

// Of one rank; may stand within another, and is destroyed before it.
class Activity {
 public:
  // `what`, such as "saving step_00000020", is what messages call it.
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
