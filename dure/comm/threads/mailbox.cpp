#include "dure/comm/threads/mailbox.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>

#include "dure/comm/error.h"

namespace dure::comm {

// The messages of one call.
class Mailbox::Messages final : public Work::State {
 public:
  Messages(Mailbox& mailbox,
           std::span<const Request> messages,
           std::shared_ptr<FlightRecorder> recorder)
      : mailbox_(mailbox),
        waiting_(static_cast<int>(messages.size())),
        recorder_(std::move(recorder)) {
    for (const Request& message : messages) {
      what_ += (what_.empty() ? "" : "; ") + describe(message);
    }
  }

  // Called by the thread that copied the message.
  void finish(const Request& message, const std::string& error) {
    if (recorder_ != nullptr) {
      recorder_->end(message.sequence,
                     error.empty() ? FlightRecorder::State::kDone
                                   : FlightRecorder::State::kFailed);
    }
    {
      const std::lock_guard lock(mutex_);
      if (error_.empty()) {
        error_ = error;
      }
      end_ = monotonic_seconds();
    }
    waiting_.fetch_sub(1, std::memory_order_release);
  }

  bool done() override { return waiting_.load(std::memory_order_acquire) == 0; }

  double elapsed_seconds() override {
    const std::lock_guard lock(mutex_);
    return (done() ? end_ : monotonic_seconds()) - start_;
  }

  void withdraw_one() { waiting_.fetch_sub(1, std::memory_order_release); }

 private:
  // Finished messages need no mailbox, and may outlive it.
  void block() override {
    const Waited waited =
        done() ? Waited::kReady
               : mailbox_.watch_->wait([this] { return done(); });
    if (waited != Waited::kReady) {
      give_up(waited);
    }
    const std::lock_guard lock(mutex_);
    if (!error_.empty()) {
      throw Mismatch(error_);
    }
  }

  void give_up(Waited waited) {
    mailbox_.withdraw(*this);
    while (!done()) {  // a message is being copied
      std::this_thread::yield();
    }
    if (waited == Waited::kStopped) {
      mailbox_.watch_->fate().raise();
    }
    throw Timeout("{}: nobody answered within {:g} s (comm.timeout)",
                  what_,
                  mailbox_.watch_->options().timeout_seconds);
  }

  Mailbox& mailbox_;
  std::atomic<int> waiting_;
  std::shared_ptr<FlightRecorder> recorder_;
  std::string what_;
  std::mutex mutex_;
  std::string error_;
  double start_ = monotonic_seconds();
  double end_ = 0;
};

namespace {

// "", or why the two do not match.
std::string copy(const Request& send, const Request& receive) {
  if (send.dtype() != receive.dtype() ||
      send.input.elements() != receive.output.elements()) {
    return "a message does not fit: " + describe(receive) + ", but " +
           describe(send);
  }
  if (send.input.elements() > 0) {
    std::memcpy(
        receive.output.bytes(), send.input.bytes(), send.input.size_bytes());
  }
  return "";
}

}  // namespace

Mailbox::Mailbox(int ranks, std::shared_ptr<Watch> watch)
    : boxes_(static_cast<std::size_t>(ranks)), watch_(std::move(watch)) {}

std::shared_ptr<Work::State> Mailbox::post(
    int rank,
    std::span<const Request> messages,
    std::shared_ptr<FlightRecorder> recorder) {
  auto owner = std::make_shared<Messages>(*this, messages, std::move(recorder));
  for (const Request& message : messages) {
    post_one({message, rank, owner});
  }
  return owner;
}

void Mailbox::post_one(const Pending& message) {
  const bool sends = message.request.kind == Kind::kSend;
  const int receiver = sends ? message.request.root : message.rank;
  Box& box = boxes_[receiver];
  std::optional<Pending> other;
  {
    const std::lock_guard lock(box.mutex);
    std::list<Pending>& others = sends ? box.receives : box.sends;
    const auto found =
        std::find_if(others.begin(), others.end(), [&](const Pending& p) {
          return p.request.tag == message.request.tag &&
                 p.rank == message.request.root &&
                 p.request.root == message.rank;
        });
    if (found == others.end()) {
      (sends ? box.sends : box.receives).push_back(message);
      return;
    }
    other = std::move(*found);
    others.erase(found);
  }
  const std::string error = sends ? copy(message.request, other->request)
                                  : copy(other->request, message.request);
  other->owner->finish(other->request, error);
  message.owner->finish(message.request, error);
}

void Mailbox::withdraw(const Messages& owner) {
  for (Box& box : boxes_) {
    const std::lock_guard lock(box.mutex);
    for (std::list<Pending>* list : {&box.sends, &box.receives}) {
      list->remove_if([&](Pending& pending) {
        if (pending.owner.get() != &owner) {
          return false;
        }
        pending.owner->withdraw_one();
        return true;
      });
    }
  }
}

}  // namespace dure::comm
