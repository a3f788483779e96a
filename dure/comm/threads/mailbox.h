// Messages between threads: the second side to come copies, straight from the
// sender's memory to the receiver's.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "dure/comm/collective.h"
#include "dure/comm/flight_recorder.h"
#include "dure/comm/threads/watch.h"
#include "dure/comm/work.h"

namespace dure::comm {

// The mailbox of one communicator. Threads: any.
class Mailbox {
 public:
  Mailbox(int ranks, std::shared_ptr<Watch> watch);

  // Posts several messages of `rank`. A message is matched at once if its other
  // side is there already, so none waits for another. The recorder, which may
  // be null, is told when each is done.
  std::shared_ptr<Work::State> post(int rank,
                                    std::span<const Request> messages,
                                    std::shared_ptr<FlightRecorder> recorder);

 private:
  class Messages;

  // A message whose other side has not come.
  struct Pending {
    Request request;
    int rank;
    std::shared_ptr<Messages> owner;
  };

  // The messages of one receiver that wait.
  struct Box {
    std::mutex mutex;
    std::list<Pending> sends;
    std::list<Pending> receives;
  };

  void post_one(const Pending& message);
  // Forgets messages without another side; the others will be done.
  void withdraw(const Messages& owner);

  std::vector<Box> boxes_;
  std::shared_ptr<Watch> watch_;
};

}  // namespace dure::comm
