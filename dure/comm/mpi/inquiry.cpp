#include "dure/comm/mpi/inquiry.h"

#include <utility>

#include "dure/base/files.h"
#include "dure/base/trace.h"

namespace dure::comm {
namespace {

// An engine answers within milliseconds, even on a machine with too few cores
// for its ranks; a process that is stopped or gone does not.
constexpr double kPatienceSeconds = 2;

}  // namespace

Inquiry::Inquiry(std::shared_ptr<Operation> operation, const Notice& own)
    : operation_(std::move(operation)),
      until_(monotonic_seconds() + kPatienceSeconds) {
  answers_[own.from] = own;
}

Notice Inquiry::question() const {
  return {.kind = Notice::Kind::kAsk,
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
  return answers_.size() >= operation_->channel()->world_ranks.size() ||
         monotonic_seconds() > until_;
}

std::string Inquiry::table() const {
  const Channel& channel = *operation_->channel();
  std::string text = concat(operation_->describe(),
                            ", was not finished within ",
                            channel.lineage->options.timeout_seconds,
                            " s (comm.timeout)");
  for (int rank = 0; rank < channel.size(); ++rank) {
    text += "\n  " + line_of(rank);
  }
  return text;
}

std::string Inquiry::line_of(int rank) const {
  const Channel& channel = *operation_->channel();
  const int in_world = channel.world_ranks[static_cast<std::size_t>(rank)];
  std::string line = concat("rank ", rank);
  if (in_world != rank) {
    line += concat(" (of the world: ", in_world, ")");
  }
  const auto found = answers_.find(in_world);
  if (found == answers_.end()) {
    return line + ": NO ANSWER; its process is stopped, or its machine is gone";
  }
  const Notice& answer = found->second;
  if (operation_->number() == 0) {
    return line + ": last call: " + answer.text;
  }
  return line +
         (answer.arrived ? ": arrived; " : ": DID NOT ARRIVE; last call: ") +
         answer.text;
}

void Inquiry::write_flight_recorders() const {
  const std::string& folder =
      operation_->channel()->lineage->options.flight_directory;
  if (folder.empty()) {
    return;
  }
  make_directories(folder);
  for (const auto& [rank, answer] : answers_) {
    write_file_atomically(Path(folder) / concat("flight_rank", rank, ".jsonl"),
                          answer.calls);
  }
}

}  // namespace dure::comm
