#include "dure/comm/threads/planned.h"

#include <map>
#include <memory>
#include <utility>

#include "dure/comm/algorithm/plan.h"
#include "dure/comm/algorithm/plan_execution.h"
#include "dure/comm/error.h"
#include "dure/comm/waiting.h"

namespace dure::comm {
namespace {

class MailboxTransport final : public Transport {
 public:
  MailboxTransport(Mailbox& mailbox, int rank)
      : mailbox_(mailbox), rank_(rank) {}

  Ticket send(int peer, int tag, std::span<const std::byte> bytes) override {
    return post(
        {.kind = Kind::kSend,
         .input = ConstTensor(bytes.data(), shape_of(bytes), DType::kU8),
         .root = peer,
         .tag = tag});
  }

  Ticket receive(int peer, int tag, std::span<std::byte> bytes) override {
    return post({.kind = Kind::kRecv,
                 .output = Tensor(bytes.data(), shape_of(bytes), DType::kU8),
                 .root = peer,
                 .tag = tag});
  }

  bool test(Ticket ticket) override {
    const auto found = works_.find(ticket);
    if (!found->second->done()) {
      return false;
    }
    found->second->wait();  // throws what it failed with
    works_.erase(found);
    return true;
  }

  // Called after the run has failed: waits until no peer touches the posted
  // memory.
  void abandon() {
    for (const auto& [ticket, work] : works_) {
      try {
        work->wait();
      } catch (const Error&) {  // said elsewhere
      }
    }
  }

 private:
  static Shape shape_of(std::span<const std::byte> bytes) {
    return {static_cast<std::int64_t>(bytes.size())};
  }

  Ticket post(const Request& message) {
    works_[++last_] = mailbox_.post(rank_, {&message, 1}, nullptr);
    return last_;
  }

  Mailbox& mailbox_;
  int rank_;
  Ticket last_ = 0;
  std::map<Ticket, std::shared_ptr<Work::State>> works_;
};

std::span<std::byte> aligned(std::vector<std::byte>& memory,
                             std::size_t bytes) {
  constexpr std::size_t kAlignment = 64;
  if (memory.size() < bytes + kAlignment) {
    memory.resize(bytes + kAlignment);
  }
  void* first = memory.data();
  std::size_t space = memory.size();
  std::align(kAlignment, bytes, first, space);
  return {static_cast<std::byte*>(first), bytes};
}

}  // namespace

bool is_planned(const Request& request) {
  return has_plan(request.kind, request.how.algorithm, order_of(request));
}

void run_plan(const Request& request,
              int rank,
              Team& team,
              Mailbox& mailbox,
              std::vector<std::byte>& scratch) {
  constexpr int kTag = 0;
  MailboxTransport transport(mailbox, rank);
  PlanExecution execution(plan_of({.kind = request.kind,
                                   .algorithm = request.how.algorithm,
                                   .rank = rank,
                                   .ranks = team.size(),
                                   .root = request.root}),
                          request,
                          transport,
                          kTag);
  execution.set_scratch(aligned(scratch, execution.scratch_bytes()));
  try {
    team.wait_for(rank, describe(request), [&] { return execution.advance(); });
  } catch (...) {
    transport.abandon();
    throw;
  }
}

}  // namespace dure::comm
