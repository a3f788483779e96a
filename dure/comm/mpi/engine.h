// The engine, which carries out all operations of this process: the only code
// that calls MPI once it is started.
//
// The engine polls: each operation posts and tests non-blocking calls and never
// waits, so that none holds up another. The threads that wait for an operation
// poll, or else the engine's own thread (world.h).
#pragma once

#include <condition_variable>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "dure/comm/mpi/channel.h"
#include "dure/comm/mpi/control.h"
#include "dure/comm/mpi/inquiry.h"
#include "dure/comm/mpi/operation.h"
#include "dure/comm/mpi/session.h"

namespace dure::comm {

// Threads: any.
class MpiEngine {
 public:
  // Starts MPI. Throws Error where it can't.
  explicit MpiEngine(MpiThreads threads);
  MpiEngine(const MpiEngine&) = delete;
  MpiEngine& operator=(const MpiEngine&) = delete;
  ~MpiEngine();

  const MpiFacts& facts() const { return session_->facts(); }
  int largest_tag() const { return session_->largest_tag(); }
  MPI_Comm world() const { return session_->world(); }

  // Throw Aborted if the run has failed already. submit() hands the operation
  // to the engine's thread; run() carries it out in this one.
  void submit(const std::shared_ptr<Operation>& operation);
  void run(const std::shared_ptr<Operation>& operation);
  // Returns when the operation is settled.
  void wait(const Operation& operation);
  // Polls once, unless another thread does.
  void look_in();

  // Channels answer the questions of other ranks until they are released.
  void add(const std::shared_ptr<Channel>& channel);
  void release(std::shared_ptr<Channel> channel);
  // The number of worlds so far, for the id of the next.
  std::uint64_t count_world();

  // Collective: waits for unfinished operations, then ends MPI.
  void finish();
  // Stops driving MPI without ending it.
  void leave();

  // Tells the others once that this rank has failed; abort() then ends the run.
  void abandon(const std::string& message);
  [[noreturn]] void abort(const std::string& message, int exit_code);

 private:
  enum class Ending : std::uint8_t { kNot, kLeave, kFinalize };
  struct Abort {
    int exit_code = 1;
    double until = 0;
  };

  // Run by the engine's thread.
  void serve(MpiThreads threads, std::promise<void>& started);
  void serve_until_ending(std::unique_lock<std::mutex>& lock);
  void finalize();
  void end(Ending how);

  // Called under the lock.
  void enter(const std::shared_ptr<Operation>& operation);
  void activate(const std::shared_ptr<Operation>& operation);
  void poll();
  bool advance(std::size_t index);
  void settle(std::size_t index, const std::exception_ptr& error);
  void follow(const std::shared_ptr<Operation>& operation);
  void raise_if_failed(const Channel& channel) const;
  void look_around(double now);
  void fail_the_failed();
  void inquire(double now);
  void ask(const std::shared_ptr<Operation>& operation, double now);
  void conclude_inquiry(double now);
  void fail_the_inquired();
  FlightRecorder::Doing doing() const;
  void free_released();
  void hear(const Notice& notice);
  Notice answer_to(const Notice& question) const;
  void tell_of_failure(const std::string& message);
  void send_to_others(const Notice& notice);
  void end_if_aborted(double now);

  std::mutex mutex_;              // of all calls to MPI, and of what follows
  std::condition_variable wake_;  // the engine's thread
  std::condition_variable finished_;  // an operation
  std::optional<Session> session_;
  std::optional<Control> control_;
  std::vector<std::shared_ptr<Operation>> active_;
  std::map<std::uint64_t, std::weak_ptr<Channel>> channels_;
  std::vector<std::shared_ptr<Channel>> released_;
  std::uint64_t worlds_ = 0;
  std::optional<Inquiry> inquiry_;
  double next_look_ = 0;
  int waiters_ = 0;  // threads that poll
  Ending ending_ = Ending::kNot;
  bool ended_ = false;
  std::exception_ptr end_error_;

  AbortFlag fate_;         // of the run
  std::set<int> told_by_;  // ranks that have failed
  std::set<int> gone_;     // ranks that have heard of this one's failure
  bool told_ = false;      // the others, of this one's failure
  bool first_ = false;     // this one failed before it was told of others
  std::optional<Abort> abort_;

  std::thread thread_;
};

}  // namespace dure::comm
