#include "dure/comm/threads/watch.h"

#include <utility>

#include "dure/base/trace.h"

namespace dure::comm {

Watch::Watch(int ranks, Options options)
    : options_(std::move(options)),
      recorders_(static_cast<std::size_t>(ranks)) {}

void Watch::introduce(int rank,
                      std::shared_ptr<const FlightRecorder> recorder) {
  const std::lock_guard lock(mutex_);
  recorders_[rank] = std::move(recorder);
}

std::vector<RankDoing> Watch::doings() const {
  const std::lock_guard lock(mutex_);
  std::vector<RankDoing> ranks;
  for (std::size_t rank = 0; rank < recorders_.size(); ++rank) {
    if (recorders_[rank] != nullptr) {
      ranks.push_back({static_cast<int>(rank), recorders_[rank]->doing()});
    }
  }
  return ranks;
}

bool Watch::is_over(Patience& patience) {
  const std::vector<RankDoing> ranks = doings();
  const double now = monotonic_seconds();
  patience.extend(now, last_busy(ranks));
  if (patience.is_over(now)) {
    return true;
  }
  if (patience.is_time_to_say(now)) {
    say(describe_busy(ranks), now);
  }
  return false;
}

// All that wait find the same at about the same time; one of them says it.
void Watch::say(const std::string& text, double now) {
  constexpr double kAtMostEverySeconds = 0.5;
  {
    const std::lock_guard lock(mutex_);
    if (text.empty() || !options_.say || now < next_word_) {
      return;
    }
    next_word_ = now + kAtMostEverySeconds;
  }
  options_.say(text);
}

}  // namespace dure::comm
