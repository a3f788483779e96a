// The engine's work beside its operations: notices of other engines, and
// operations that take too long.
#include <fmt/core.h>
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

// There is one inquiry at a time; other operations likely wait for the same
// ranks.
void MpiEngine::inquire(double now) {
  if (inquiry_) {
    if (inquiry_->over()) {
      conclude_inquiry(now);
    }
    return;
  }
  for (const std::shared_ptr<Operation>& operation : active_) {
    if (now >= operation->patience().next_look()) {
      return ask(operation, now);
    }
  }
}

void MpiEngine::ask(const std::shared_ptr<Operation>& operation, double now) {
  inquiry_.emplace(operation,
                   facts().size,
                   operation->patience().is_over(now) ? Inquiry::Depth::kFull
                                                      : Inquiry::Depth::kBrief);
  const Notice question = inquiry_->question();
  inquiry_->hear(answer_to(question));
  send_to_others(question);
}

// A rank that does not answer is not waited for, whatever others do.
void MpiEngine::conclude_inquiry(double now) {
  const std::shared_ptr<Operation> operation = inquiry_->operation();
  Patience& patience = operation->patience();
  const std::vector<RankDoing> ranks = inquiry_->doings();
  if (inquiry_->all_live()) {
    patience.extend(now, last_busy(ranks));
  }
  if (patience.is_over(now)) {
    if (inquiry_->depth() == Inquiry::Depth::kFull) {
      fail_the_inquired();
    }
  } else if (patience.is_time_to_say(now) &&
             inquiry_->is_first_to_wait(facts().rank)) {
    const std::string text = describe_busy(ranks);
    const Options& options = operation->channel()->lineage->options;
    if (!text.empty() && options.say) {
      options.say(text);
    }
  }
  inquiry_.reset();
}

void MpiEngine::fail_the_inquired() {
  std::string text = inquiry_->table();
  try {
    inquiry_->write_flight_recorders();
  } catch (const Error& error) {
    text += fmt::format("\n  the flight recorders were not written: {}",
                        error.what());
  }
  const std::shared_ptr<Operation> operation = inquiry_->operation();
  // A missing message says nothing about the communicator.
  if (operation->number() > 0) {
    operation->channel()->lineage->fate.fail(facts().rank, text);
  }
  for (std::size_t i = 0; i < active_.size(); ++i) {
    if (active_[i] == operation) {
      settle(i, std::make_exception_ptr(Timeout(text)));
      break;
    }
  }
}

// An activity counts whichever communicator it was stated to.
FlightRecorder::Doing MpiEngine::doing() const {
  FlightRecorder::Doing latest;
  for (const auto& [id, weak] : channels_) {
    if (const std::shared_ptr<Channel> channel = weak.lock()) {
      FlightRecorder::Doing doing = channel->lineage->recorder->doing();
      if (doing.ago <= latest.ago) {
        latest = std::move(doing);
      }
    }
  }
  return latest;
}

Notice MpiEngine::answer_to(const Notice& question) const {
  Notice answer{.kind = Notice::Kind::kAnswer,
                .from = facts().rank,
                .channel = question.channel,
                .number = question.number,
                .doing = doing()};
  const auto found = channels_.find(question.channel);
  const std::shared_ptr<Channel> channel =
      found == channels_.end() ? nullptr : found->second.lock();
  if (channel == nullptr) {
    answer.text = "it has left this communicator";
    return answer;
  }
  answer.arrived = channel->called >= question.number;
  if (question.kind != Notice::Kind::kAskAll) {
    return answer;
  }
  answer.text = channel->lineage->recorder->last();
  answer.calls = channel->lineage->recorder->to_json_lines();
  return answer;
}

void MpiEngine::hear(const Notice& notice) {
  switch (notice.kind) {
    case Notice::Kind::kAsk:
    case Notice::Kind::kAskAll:
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
