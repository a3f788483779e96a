// A rank's threads, which share the pieces of one job after another.
//
// Each thread begins with its own neighbouring pieces; when it has none left it
// takes pieces from the far ends of the others' shares. So on a quiet machine a
// thread works on the same part of an array job after job, and on a busy one a
// thread that lost its core holds up one piece, not its whole share.
//
// A thread that waits spins for some tens of microseconds, longer than the next
// job of a training step takes to come, and then sleeps, so that the system can
// give its core to another program. If another member is at work but has lost
// its core, it lends its core to that one (core_lending.h).
//
// Threads: a team belongs to the thread that made it, which is member 0 and
// the only one to call run().
#pragma once

#include <atomic>
#include <cstdint>
#include <pthread.h>
#include <thread>
#include <vector>

namespace dure {

class Team {
 public:
  // A team of so many members, the caller among them; 0 means one for each core
  // that the calling thread may use. The first job that has work for them
  // starts the other threads.
  explicit Team(int members);
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team();

  int members() const { return static_cast<int>(shares_.size()); }

  // Calls body(piece, member) once for every piece in [0, pieces), never for
  // two pieces of one member at once, and returns when all are done. The body
  // must not throw. Throws Error if the system grants no threads.
  template <typename Body>
  void run(std::int64_t pieces, const Body& body) {
    if (members() == 1 || pieces <= 1) {
      for (std::int64_t piece = 0; piece < pieces; ++piece) {
        body(piece, 0);
      }
      return;
    }
    share(pieces, &call<Body>, &body);
  }

 private:
  using Call = void (*)(const void* body, std::int64_t piece, int member);

  // The pieces that a member has not yet begun: the first in the low half of
  // the word, the end in the high one. Each share has a cache line.
  struct alignas(64) Share {
    std::atomic<std::uint64_t> pieces{0};
    std::atomic<bool> at_work{false};  // or the caller, outside a job
    pthread_t thread = {};             // written before it is at work
  };

  template <typename Body>
  static void call(const void* body, std::int64_t piece, int member) {
    (*static_cast<const Body*>(body))(piece, member);
  }

  void start();
  void share(std::int64_t pieces, Call call_body, const void* body);
  void serve(int member);
  void work(int member);
  void await_change(int member,
                    const std::atomic<std::uint32_t>& word,
                    std::uint32_t from);
  template <typename Changed>
  bool look_after_others(const Changed& changed);
  void do_piece(std::int64_t piece, int member);

  std::vector<Share> shares_;
  // The current job. It is written before its first piece can be taken, and not
  // again before its last one is done.
  Call call_ = nullptr;
  const void* body_ = nullptr;
  alignas(64) std::atomic<std::uint32_t> undone_{0};  // pieces
  alignas(64) std::atomic<std::uint32_t> posted_{0};  // jobs, and the end
  std::atomic<bool> over_{false};
  std::vector<std::jthread> threads_;  // of the members after the first
};

}  // namespace dure
