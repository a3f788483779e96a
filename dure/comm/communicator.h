// A communicator: a group of ranks that communicate, as one of them sees it.
//
// All ranks of a communicator call the same collectives in the same order. The
// collectives of one communicator run in that order, one after another, in a
// lane of their own beside the rank's streams. Collectives of different
// communicators, and messages, do not wait for one another.
//
// Streams: a collective begins once the work that its stream was given before
// is done, and a stream goes on after it once it has waited for its Work.
// Neither is a host synchronization (tensor/stream.h).
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
#include "dure/comm/communication_order.h"
#include "dure/comm/flight_recorder.h"
#include "dure/comm/traffic.h"
#include "dure/comm/work.h"

namespace dure::comm {

// Whether ranks compare their calls before they carry them out.
enum class Check : std::uint8_t { kOff, kOn };

#ifdef NDEBUG
inline constexpr Check kDefaultCheck = Check::kOff;
#else
inline constexpr Check kDefaultCheck = Check::kOn;
#endif

struct Options {
  double timeout_seconds = 600;
  Check check = kDefaultCheck;
  CollectiveOptions how = {};  // the default of operations
  // The threads of this rank's own operations; 0 means one for each core that
  // its process may use.
  int threads = 0;
  // Reports what this rank waits for. It is called by any thread, now and then,
  // while the rank waits for another one's activity (activity.h).
  std::function<void(const std::string&)> say = {};
  // Where flight recorders are written when an operation times out, as
  // flight_rank<R>.jsonl. If empty, none are written.
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
  // Whether all ranks are of this process, so that facts about one rank's
  // machine and files hold for all.
  virtual bool is_one_process() const { return true; }

  // Runs the operation before anything that the stream is given from now on:
  // then y is whole and x may change. On a CPU stream that is so on return.
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

  // Starts several messages. Their Work is done when all are, in any order.
  Work start_messages(Stream& after, std::span<const Message> messages);

  template <typename Op>
  bool supports(const Op& op) const {
    return supports_request(request_of(op, rank_, size_));
  }

  // Marks this rank as failed: on all ranks of the run, every wait, now or
  // later, throws Aborted with this message, or that of a rank that failed
  // before. Does nothing if no other rank could wait for this one: alone, or
  // simulated.
  virtual void abandon(const std::string& /*message*/) {}

  // Collective: the ranks of each color, ordered by key, then by rank, form a
  // communicator. Returns null for a negative color. `axis` is its name in the
  // traffic report ("tensor").
  virtual std::unique_ptr<Communicator> split(int color,
                                              int key,
                                              const std::string& axis);

  // Collective over this communicator: a communicator of the ranks named, in
  // this order. Returns null on the others.
  virtual std::unique_ptr<Communicator> subgroup(std::span<const int> ranks,
                                                 const std::string& axis);

  // Collective: every rank names the group that it is in, or none; groups do
  // not overlap. Ranks exchange data once, however many groups there are.
  virtual std::unique_ptr<Communicator> own_group(std::span<const int> ranks,
                                                  const std::string& axis);

  // Collective: a communicator of the same ranks whose failures are its own. If
  // this communicator has failed, the ranks that still run can use its twin.
  // Null if the back end has none.
  virtual std::unique_ptr<Communicator> twin(const Options& /*options*/) {
    return nullptr;
  }

  const std::string& axis() const { return axis_; }

  // Calls and bytes so far, over all communicators split from one world.
  const Traffic& traffic() const { return *ledger_->traffic; }
  std::shared_ptr<FlightRecorder> shared_recorder() const {
    return ledger_->recorder;
  }

 protected:
  // State that all communicators of a rank share.
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

  // Throws Error if subgroup() may not be given these ranks.
  void check_members(std::span<const int> ranks) const;

  Identity identity_of(int rank, int size, const std::string& axis) const;
  FlightRecorder& recorder() { return *ledger_->recorder; }

  // A communicator of one rank, for any back end: it copies (self/).
  static std::unique_ptr<Communicator> make_alone(Identity identity);

  // Requests come here checked, supported, and with `how` filled in. The
  // operation that begin() starts tells the recorder when it is done. Work that
  // a CPU stream was given before is done already, so host back ends need not
  // look at it.
  virtual bool supports_request(const Request& request) const = 0;
  virtual void execute(Stream& stream, const Request& request) = 0;
  virtual Work begin(Stream& after,
                     const Request& request) = 0;  // a collective
  virtual Work begin_messages(Stream& after,
                              std::span<const Request> messages) = 0;
  // `members` are ranks of this communicator, in the order of the new one. All
  // of them, and no others, call this.
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
  CommunicationOrder order_;
};

}  // namespace dure::comm
