// A communicator: some ranks that communicate, as one of them sees it.
//
// All ranks of a communicator call the same collectives in the same order.
// Collectives of one communicator run in that order, one after another: in a
// lane of its own, beside the streams of the rank. Those of different
// communicators, and messages, do not wait for one another.
//
// Streams: a collective begins once what the stream that it is given with was
// given before is done, and a stream goes on after it once it has waited for
// its Work. Neither is a host synchronization (tensor/stream.h).
//
// Threads: a communicator belongs to one rank; run() and start() are called by
// one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>

#include "dure/comm/collective.h"
#include "dure/comm/flight_recorder.h"
#include "dure/comm/traffic.h"
#include "dure/comm/work.h"

namespace dure::comm {

// Whether ranks compare what they are about to do before they do it.
enum class Check : std::uint8_t { kOff, kOn };

#ifdef NDEBUG
inline constexpr Check kDefaultCheck = Check::kOff;
#else
inline constexpr Check kDefaultCheck = Check::kOn;
#endif

struct Options {
  double timeout_seconds = 600;
  Check check = kDefaultCheck;
  How how = {};  // of operations that leave it open
  // What this rank's own operations may have; 0: as many as the cores that its
  // process may use.
  int threads = 0;
  // Says what this rank waits for: called by any thread, now and
  // then while it waits for what another rank has stated (activity.h).
  std::function<void(const std::string&)> say = {};
  // Where flight recorders are written when an operation times out, as
  // flight_rank<R>.jsonl; empty: nowhere.
  std::string flight_directory = {};
};

using Message = std::variant<Send, Recv>;

class Communicator {
 public:
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  int rank() const { return rank_; }
  int size() const { return size_; }
  const Options& options() const { return options_; }
  virtual const char* back_end() const = 0;
  // Whether all ranks are of this process: what one of them knows of its
  // machine and its files holds for all.
  virtual bool is_one_process() const { return true; }

  // What the stream is given from now on finds this rank done: its y is whole,
  // its x may change. On a CPU stream that is so when it returns.
  template <typename Op>
  void run(Stream& stream, const Op& op) {
    run_request(stream, request_of(op, rank_, size_));
  }

  // Returns at once. The tensors must live, x unchanged, until the Work is
  // done (Buffer::used_until in tensor/arena.h).
  template <typename Op>
  Work start(Stream& after, const Op& op) {
    return start_request(after, request_of(op, rank_, size_));
  }

  // Several messages at once; done when all are, in whatever order they come.
  Work start_messages(Stream& after, std::span<const Message> messages);

  template <typename Op>
  bool supports(const Op& op) const {
    return supports_request(request_of(op, rank_, size_));
  }

  // This rank has failed: on all ranks of the run whatever waits, now or later,
  // throws Aborted with this message, or that of a rank that failed before.
  // Nothing, where no other rank could wait for this one: alone, or simulated.
  virtual void abandon(const std::string& /*message*/) {}

  // Collective: the ranks of one color, ordered by key, then by rank, form a
  // communicator each. Null for a negative color. `axis` names what it is, for
  // the traffic ("tensor").
  virtual std::unique_ptr<Communicator> split(int color,
                                              int key,
                                              const std::string& axis);

  // Collective over this communicator: the ranks named, in this order; null on
  // the others.
  virtual std::unique_ptr<Communicator> subgroup(std::span<const int> ranks,
                                                 const std::string& axis);

  // Collective: every rank names the group that it is in, or none; groups do
  // not overlap. However many there are, ranks talk to one another once.
  virtual std::unique_ptr<Communicator> own_group(std::span<const int> ranks,
                                                  const std::string& axis);

  // Collective: the same ranks, with failures of their own: where this
  // communicator has failed, those that still run can talk over its twin. Null
  // where the back end has none.
  virtual std::unique_ptr<Communicator> twin(const Options& /*options*/) {
    return nullptr;
  }

  const std::string& axis() const { return axis_; }

  // Calls and bytes so far, of all communicators split from one world.
  const Traffic& traffic() const { return *ledger_->traffic; }
  std::shared_ptr<FlightRecorder> shared_recorder() const {
    return ledger_->recorder;
  }

 protected:
  // What the communicators of one rank share.
  struct Ledger {
    std::shared_ptr<Traffic> traffic = std::make_shared<Traffic>();
    std::shared_ptr<FlightRecorder> recorder =
        std::make_shared<FlightRecorder>();
  };
  struct Identity {
    int rank = 0;
    int size = 1;
    std::string axis = "world";
    Options options = {};
    std::shared_ptr<Ledger> ledger = std::make_shared<Ledger>();
  };

  explicit Communicator(Identity identity);

  // What subgroup() may be given.
  void check_members(std::span<const int> ranks) const;

  Identity identity_of(int rank, int size, const std::string& axis) const;
  FlightRecorder& recorder() { return *ledger_->recorder; }

  // Of one rank, for any back end: it copies (self/).
  static std::unique_ptr<Communicator> make_alone(Identity identity);

  // Requests come here checked, supported, and with `how` filled in. What
  // begin() starts tells the recorder when it is done. What a CPU stream was
  // given before is done already, so back ends of the host need not look at it.
  virtual bool supports_request(const Request& request) const = 0;
  virtual void execute(Stream& stream, const Request& request) = 0;
  virtual Work begin(Stream& after,
                     const Request& request) = 0;  // a collective
  virtual Work begin_messages(Stream& after,
                              std::span<const Request> messages) = 0;
  // `members`: ranks of this communicator, in the order of the new one; all of
  // them, and no others, call this.
  virtual std::unique_ptr<Communicator> make_subgroup(
      std::span<const int> members, Identity identity) = 0;

 private:
  void run_request(Stream& stream, Request request);
  Work start_request(Stream& after, Request request);
  void prepare(Request& request);

  int rank_;
  int size_;
  std::string axis_;
  Options options_;
  std::shared_ptr<Ledger> ledger_;
};

}  // namespace dure::comm
