// What ran when: one event an operation, as Chrome's trace format and as sums.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dure/base/files.h"

namespace dure {

struct TraceEvent {
  const char* name;  // of static storage: an operation's kName
  double start_seconds;
  double seconds;
  double flops;
  double bytes;
};

// Threads: the rank's own only.
class Trace {
 public:
  void record(const TraceEvent& event) { events_.push_back(event); }
  void clear() { events_.clear(); }

  const std::vector<TraceEvent>& events() const { return events_; }

  struct Sum {
    std::uint64_t count = 0;
    double seconds = 0;
    double flops = 0;
    double bytes = 0;
  };
  std::map<std::string, Sum> sums() const;

  // {"traceEvents": [...]}: for chrome://tracing and Perfetto. One process a
  // rank.
  void write(const Path& path, int rank) const;

 private:
  std::vector<TraceEvent> events_;
};

// Seconds of a clock that only goes forward, from an arbitrary start.
double monotonic_seconds();

}  // namespace dure
