// What the engine looks at beside its operations: what other engines say, and
// what has taken too long.
#include <utility>

#include "dure/base/trace.h"
#include "dure/comm/error.h"
#include "dure/comm/mpi/engine.h"

namespace dure::comm {

void MpiEngine::look_around(double now) {
  control_->poll([this](const Notice& notice) { hear(notice); });
  fail_the_failed();
  inquire(now);
  free_released();
}

void MpiEngine::fail_the_failed() {
  for (std::size_t i = 0; i < active_.size();) {
    try {
      raise_if_failed(*active_[i]->channel());
      ++i;
    } catch (const Aborted&) {
      settle(i, std::current_exception());
    }
  }
}

// One inquiry at a time; the ranks of the others are likely the same.
void MpiEngine::inquire(double now) {
  if (inquiry_) {
    if (inquiry_->over()) {
      conclude_inquiry();
    }
    return;
  }
  for (const std::shared_ptr<Operation>& operation : active_) {
    if (now > operation->deadline()) {
      inquiry_.emplace(operation, Notice{});
      const Notice question = inquiry_->question();
      inquiry_.emplace(operation, answer_to(question));
      for (const int rank : operation->channel()->world_ranks) {
        if (rank != facts().rank) {
          control_->send(rank, question);
        }
      }
      return;
    }
  }
}

void MpiEngine::conclude_inquiry() {
  std::string text = inquiry_->table();
  try {
    inquiry_->write_flight_recorders();
  } catch (const Error& error) {
    text += concat("\n  the flight recorders were not written: ", error.what());
  }
  const std::shared_ptr<Operation> operation = inquiry_->operation();
  // A message that does not come says nothing of the communicator.
  if (operation->number() > 0) {
    operation->channel()->lineage->fate.fail(facts().rank, text);
  }
  for (std::size_t i = 0; i < active_.size(); ++i) {
    if (active_[i] == operation) {
      settle(i, std::make_exception_ptr(Timeout(text)));
      break;
    }
  }
  inquiry_.reset();
}

Notice MpiEngine::answer_to(const Notice& question) const {
  Notice answer{.kind = Notice::Kind::kAnswer,
                .from = facts().rank,
                .channel = question.channel,
                .number = question.number};
  const auto found = channels_.find(question.channel);
  const std::shared_ptr<Channel> channel =
      found == channels_.end() ? nullptr : found->second.lock();
  if (channel == nullptr) {
    answer.text = "it has left this communicator";
    return answer;
  }
  answer.arrived = channel->called >= question.number;
  answer.text = channel->lineage->recorder->last();
  answer.calls = channel->lineage->recorder->to_json_lines();
  return answer;
}

void MpiEngine::hear(const Notice& notice) {
  switch (notice.kind) {
    case Notice::Kind::kAsk:
      return control_->send(notice.from, answer_to(notice));
    case Notice::Kind::kAnswer:
      if (inquiry_) {
        inquiry_->hear(notice);
      }
      return;
    case Notice::Kind::kAbort:
      fate_.fail(notice.from, notice.text);
      told_by_.insert(notice.from);
      gone_.insert(notice.from);  // it will not answer
      if (abort_) {
        control_->send(notice.from, {.kind = Notice::Kind::kGone});
      }
      return;
    case Notice::Kind::kGone:
      gone_.insert(notice.from);
  }
}

}  // namespace dure::comm
