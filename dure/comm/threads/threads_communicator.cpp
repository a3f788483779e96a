#include "dure/comm/threads/threads_communicator.h"

#include <map>
#include <mutex>
#include <utility>

#include "dure/comm/agreement.h"
#include "dure/comm/algorithm/reduce.h"
#include "dure/comm/error.h"
#include "dure/comm/progress_thread.h"
#include "dure/comm/threads/direct.h"
#include "dure/comm/threads/mailbox.h"
#include "dure/comm/threads/planned.h"
#include "dure/comm/threads/team.h"

namespace dure::comm {
namespace {

// The shared state of the ranks of one communicator.
class SharedState {
 public:
  SharedState(int ranks, std::shared_ptr<Watch> watch)
      : team(ranks, watch),
        mailbox(ranks, watch),
        plan_mailbox(ranks, watch),
        watch_(std::move(watch)) {}

  Team team;
  Mailbox mailbox;
  Mailbox plan_mailbox;  // of collectives by plan

  Watch& watch() { return *watch_; }

  // One for some of the ranks: the same for all that name the same members
  // in their split-th call.
  std::shared_ptr<SharedState> part(std::uint64_t split,
                                    std::span<const int> members) {
    return part(split, members, watch_);
  }

  // One for all of them whose failures are its own.
  std::shared_ptr<SharedState> twin(std::uint64_t split,
                                    const Options& options) {
    return part(split, {}, std::make_shared<Watch>(team.size(), options));
  }

 private:
  // Empty members means all.
  std::shared_ptr<SharedState> part(std::uint64_t split,
                                    std::span<const int> members,
                                    std::shared_ptr<Watch> watch);

  struct Part {
    std::shared_ptr<SharedState> shared;
    std::size_t wanted = 0;
  };

  std::shared_ptr<Watch> watch_;
  std::mutex mutex_;
  std::map<std::pair<std::uint64_t, std::vector<int>>, Part> parts_;
};

std::shared_ptr<SharedState> SharedState::part(std::uint64_t split,
                                               std::span<const int> members,
                                               std::shared_ptr<Watch> watch) {
  const std::lock_guard lock(mutex_);
  const std::pair key(split, std::vector<int>(members.begin(), members.end()));
  Part& part = parts_[key];
  if (part.shared == nullptr) {
    const int ranks =
        members.empty() ? team.size() : static_cast<int>(members.size());
    part.shared = std::make_shared<SharedState>(ranks, std::move(watch));
    part.wanted = static_cast<std::size_t>(ranks);
  }
  std::shared_ptr<SharedState> shared = part.shared;
  if (--part.wanted == 0) {
    parts_.erase(key);
  }
  return shared;
}

// Messages have no algorithm.
bool is_direct(const Request& request) {
  return request.how.algorithm == Algorithm::kAutomatic ||
         request.how.algorithm == Algorithm::kDirect ||
         is_message(request.kind);
}

class ThreadsCommunicator final : public Communicator {
 public:
  ThreadsCommunicator(std::shared_ptr<SharedState> shared,
                      int world_rank,
                      Identity identity)
      : Communicator(std::move(identity)),
        shared_(std::move(shared)),
        world_rank_(world_rank),
        headers_(static_cast<std::size_t>(size())),
        requests_(static_cast<std::size_t>(size())) {
    shared_->team.introduce(rank(), shared_recorder());
  }

  // The communicators of all ranks of a world.
  static std::unique_ptr<Communicator> make(std::shared_ptr<SharedState> shared,
                                            int rank) {
    const int size = shared->team.size();
    const Options& options = shared->watch().options();
    return make(std::move(shared),
                Identity{.rank = rank, .size = size, .options = options});
  }
  static std::unique_ptr<Communicator> make(std::shared_ptr<SharedState> shared,
                                            Identity identity) {
    const int rank = identity.rank;
    shared->watch().introduce(rank, identity.ledger->recorder);
    return std::make_unique<ThreadsCommunicator>(
        std::move(shared), rank, std::move(identity));
  }

  const char* back_end() const override { return "threads"; }

  void abandon(const std::string& message) override {
    shared_->watch().fate().fail(world_rank_, message);
  }

  std::unique_ptr<Communicator> twin(const Options& options) override {
    ++splits_;
    Identity identity = identity_of(rank(), size(), axis());
    identity.options = options;
    return make(shared_->twin(splits_, options), std::move(identity));
  }

 protected:
  // Direct sums are always in the order of the ranks.
  bool supports_request(const Request& request) const override {
    return is_direct(request) || is_planned(request);
  }

  void execute(Stream& /*stream*/, const Request& request) override {
    if (progress_ != nullptr && !progress_->idle()) {
      return progress_->post([this, &request] { run_now(request); })->wait();
    }
    run_now(request);
  }

  Work begin(Stream& /*after*/, const Request& request) override {
    if (progress_ == nullptr) {
      progress_ = std::make_unique<ProgressThread>();
    }
    return Work(progress_->post([this, request] {
      try {
        run_now(request);
      } catch (...) {
        recorder().end(request.sequence, FlightRecorder::State::kFailed);
        throw;
      }
      recorder().end(request.sequence, FlightRecorder::State::kDone);
    }));
  }

  Work begin_messages(Stream& /*after*/,
                      std::span<const Request> messages) override {
    return Work(shared_->mailbox.post(rank(), messages, shared_recorder()));
  }

  std::unique_ptr<Communicator> make_subgroup(std::span<const int> members,
                                              Identity identity) override {
    ++splits_;
    return members.size() == 1 ? make_alone(std::move(identity))
                               : std::make_unique<ThreadsCommunicator>(
                                     shared_->part(splits_, members),
                                     world_rank_,
                                     std::move(identity));
  }

 private:
  void run_now(const Request& request);
  void run_small(const Request& request);
  void run_large();

  std::shared_ptr<SharedState> shared_;
  int world_rank_;
  std::uint64_t count_ = 0;   // collectives so far
  std::uint64_t splits_ = 0;  // subgroups so far
  std::vector<Header> headers_;
  std::vector<const Request*> requests_;
  std::vector<ConstTensor> inputs_;
  std::vector<std::byte> scratch_;
  std::unique_ptr<ProgressThread> progress_;  // last: it uses the others
};

void ThreadsCommunicator::run_now(const Request& request) {
  Team& team = shared_->team;
  team.arrive(rank(), ++count_, request);
  for (int r = 0; r < size(); ++r) {
    const Team::Slot& slot = team.slot(r, count_);
    headers_[r] = slot.header;
    requests_[r] = slot.request;
  }
  // This is always checked, because ranks are about to write to each other's
  // memory. All ranks get the same result.
  const std::string found = disagreement(headers_);
  if (!found.empty()) {
    team.leave(rank(), count_);
    throw Mismatch(found);
  }
  if (!is_direct(request)) {
    return run_plan(request, rank(), team, shared_->plan_mailbox, scratch_);
  }
  is_small(request) ? run_small(request) : run_large();
}

void ThreadsCommunicator::run_small(const Request& request) {
  if (request.output.elements() == 0) {
    return;
  }
  const auto data_of = [&](std::size_t r) {
    const Team::Slot& slot = shared_->team.slot(static_cast<int>(r), count_);
    return ConstTensor(
        slot.data.data(), request.output.shape(), request.output.dtype());
  };
  if (request.kind == Kind::kBroadcast) {
    return convert(request.output,
                   data_of(static_cast<std::size_t>(request.root)));
  }
  inputs_.clear();
  for (std::size_t r = 0; r < requests_.size(); ++r) {
    inputs_.push_back(data_of(r));
  }
  reduce_all({&request.output, 1},
             inputs_,
             request.reduction,
             {0, request.output.elements()});
}

void ThreadsCommunicator::run_large() {
  Team& team = shared_->team;
  try {
    const Team::Access access(team, rank());
    run_share(requests_, rank());
  } catch (const Mismatch& error) {  // that only this rank can see
    team.fail(rank(), error.what());
    throw;
  }
  team.leave(rank(), count_);
}

}  // namespace

ThreadWorld::ThreadWorld(int ranks, const Options& options)
    : watch_(std::make_shared<Watch>(ranks, options)) {
  DURE_CHECK(ranks >= 1, "wanted 1 rank or more, not {}", ranks);
  const auto shared = std::make_shared<SharedState>(ranks, watch_);
  for (int rank = 0; rank < ranks; ++rank) {
    communicators_.push_back(ThreadsCommunicator::make(shared, rank));
  }
}

ThreadWorld::~ThreadWorld() = default;

void ThreadWorld::abort(int rank, const std::string& message) {
  watch_->fate().fail(rank, message);
}

}  // namespace dure::comm
