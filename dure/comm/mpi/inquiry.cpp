#include "dure/comm/mpi/inquiry.h"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "dure/base/files.h"
#include "dure/base/trace.h"

namespace dure::comm {
namespace {

// An engine answers within milliseconds, even on a machine with too few cores
// for its ranks; a process that is stopped or gone does not.
constexpr double kPatienceSeconds = 2;

}  // namespace

Inquiry::Inquiry(std::shared_ptr<Operation> operation,
                 int world_size,
                 Depth depth)
    : operation_(std::move(operation)),
      world_size_(static_cast<std::size_t>(world_size)),
      depth_(depth),
      until_(monotonic_seconds() + kPatienceSeconds) {}

Notice Inquiry::question() const {
  return {.kind = depth_ == Depth::kFull ? Notice::Kind::kAskAll
                                         : Notice::Kind::kAsk,
          .channel = operation_->channel()->id,
          .number = operation_->number()};
}

void Inquiry::hear(const Notice& answer) {
  const Channel& channel = *operation_->channel();
  if (answer.channel == channel.id && answer.number == operation_->number()) {
    answers_[answer.from] = answer;
  }
}

bool Inquiry::over() const {
  return answers_.size() >= world_size_ || monotonic_seconds() > until_;
}

bool Inquiry::all_live() const {
  const std::vector<int>& ranks = operation_->channel()->world_ranks;
  return std::all_of(ranks.begin(), ranks.end(), [this](int rank) {
    return answers_.contains(rank);
  });
}

std::vector<RankDoing> Inquiry::doings() const {
  std::vector<RankDoing> ranks;
  for (const auto& [rank, answer] : answers_) {
    ranks.push_back({rank, answer.doing});
  }
  return ranks;
}

bool Inquiry::is_first_to_wait(int rank) const {
  const auto first =
      std::find_if(answers_.begin(), answers_.end(), [](const auto& entry) {
        return entry.second.doing.waits;
      });
  return first != answers_.end() && first->first == rank;
}

std::string Inquiry::table() const {
  const Channel& channel = *operation_->channel();
  std::string text =
      fmt::format("{}, was not finished within {:g} s (comm.timeout)",
                  operation_->describe(),
                  channel.lineage->options.timeout_seconds);
  for (int rank = 0; rank < channel.size(); ++rank) {
    text += "\n  " + line_of(rank);
  }
  return text;
}

std::string Inquiry::line_of(int rank) const {
  const Channel& channel = *operation_->channel();
  const int in_world = channel.world_ranks[rank];
  std::string line = fmt::format("rank {}", rank);
  if (in_world != rank) {
    line += fmt::format(" (of the world: {})", in_world);
  }
  const auto found = answers_.find(in_world);
  if (found == answers_.end()) {
    return line + ": NO ANSWER; its process is stopped, or its machine is gone";
  }
  const Notice& answer = found->second;
  if (operation_->number() == 0) {
    return line + ": " + answer.text;
  }
  return line + (answer.arrived ? ": arrived; " : ": DID NOT ARRIVE; ") +
         answer.text;
}

void Inquiry::write_flight_recorders() const {
  const std::string& folder =
      operation_->channel()->lineage->options.flight_directory;
  if (folder.empty()) {
    return;
  }
  make_directories(folder);
  for (const int rank : operation_->channel()->world_ranks) {
    const auto found = answers_.find(rank);
    if (found == answers_.end()) {
      continue;
    }
    write_file_atomically(
        Path(folder) / fmt::format("flight_rank{}.jsonl", rank),
        found->second.calls);
  }
}

}  // namespace dure::comm
