#include "dure/comm/patience.h"

#include <cstdio>
#include <fmt/core.h>

namespace dure::comm {

double last_busy(std::span<const RankDoing> ranks) {
  double ago = FlightRecorder::Doing::kNever;
  for (const RankDoing& rank : ranks) {
    ago = std::min(ago, rank.doing.ago);
  }
  return ago;
}

std::string describe_busy(std::span<const RankDoing> ranks) {
  const RankDoing* longest = nullptr;
  int others = -1;
  for (const RankDoing& rank : ranks) {
    if (rank.doing.is_busy()) {
      ++others;
      if (longest == nullptr || rank.doing.seconds > longest->doing.seconds) {
        longest = &rank;
      }
    }
  }
  if (longest == nullptr) {
    return "";
  }
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.0f s", longest->doing.seconds);
  return fmt::format("waiting for rank {}: {}, {}{}",
                     longest->rank,
                     longest->doing.what,
                     seconds,
                     others == 0 ? std::string()
                     : others == 1
                         ? "; and for another rank"
                         : fmt::format("; and for {} other ranks", others));
}

}  // namespace dure::comm
