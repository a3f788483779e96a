#include "dure/comm/self/self_communicator.h"

#include <utility>

#include "dure/base/check.h"
#include "dure/comm/threads/mailbox.h"
#include "dure/kernels/elementwise.h"

namespace dure::comm {
namespace {

// With one rank the reduction, the parts and the whole are all x, so every
// collective copies.
class SelfCommunicator final : public Communicator {
 public:
  explicit SelfCommunicator(Identity identity)
      : Communicator(std::move(identity)),
        mailbox_(1, std::make_shared<Watch>(1, Communicator::options())) {}

  static std::unique_ptr<Communicator> make(const Options& options) {
    return std::make_unique<SelfCommunicator>(Identity{.options = options});
  }

  const char* back_end() const override { return "self"; }

 protected:
  bool supports_request(const Request& /*request*/) const override {
    return true;  // all algorithms are the same
  }

  void execute(Stream& stream, const Request& request) override {
    const Tensor& y = request.output;
    if (y.elements() > 0 && y.bytes() != request.input.bytes()) {
      const kernels::Copy copy = {.y = y,
                                  .x = request.input.reshaped(y.shape())};
      check(copy);
      launch_checked(stream, copy);
    }
  }

  Work begin(Stream& after, const Request& request) override {
    execute(after, request);
    recorder().end(request.sequence, FlightRecorder::State::kDone);
    return {};
  }

  Work begin_messages(Stream& after,
                      std::span<const Request> messages) override {
    DURE_CHECK(after.device() != Device::kCuda,
               "a rank on a GPU sends no messages to itself");
    return Work(mailbox_.post(0, messages, shared_recorder()));
  }

  std::unique_ptr<Communicator> make_subgroup(std::span<const int> /*members*/,
                                              Identity identity) override {
    return std::make_unique<SelfCommunicator>(std::move(identity));
  }

 private:
  Mailbox mailbox_;
};

}  // namespace

std::unique_ptr<Communicator> Communicator::make_alone(Identity identity) {
  return std::make_unique<SelfCommunicator>(std::move(identity));
}

std::unique_ptr<Communicator> make_self_communicator(const Options& options) {
  return SelfCommunicator::make(options);
}

}  // namespace dure::comm
