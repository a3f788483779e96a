// When each operation ran: an event each, as Chrome's trace format and as sums.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/files.h"

namespace dure {

// The rows of a rank's trace: what runs side by side, and the larger wholes
// that it is part of, an action of the pipeline and a step of the run.
enum class TraceRow : std::uint8_t {
  kCompute,
  kCommunication,
  kPipeline,
  kStep,
};
const char* name_of(TraceRow row);

struct TraceEvent {
  const char* name;  // of static storage, such as an operation's kName; or kept
                     // by the trace
  double start_seconds = 0;
  double seconds = 0;
  double flops = 0;
  double bytes = 0;
  TraceRow row = TraceRow::kCompute;
};

// Threads: the rank's own only.
class Trace {
 public:
  void record(const TraceEvent& event) { events_.push_back(event); }
  void clear() { events_.clear(); }

  // A name that lives as long as the trace.
  const char* keep(std::string name) {
    return names_.insert(std::move(name)).first->c_str();
  }

  const std::vector<TraceEvent>& events() const { return events_; }

  struct Sum {
    std::uint64_t count = 0;
    double seconds = 0;
    double flops = 0;
    double bytes = 0;
  };
  std::map<std::string, Sum> sums() const;

  // The seconds in which the row communication was busy, and how many of them
  // are hidden because the row compute was busy as well.
  struct Overlap {
    double communication = 0;
    double hidden = 0;
  };
  Overlap overlap() const;

  // Events in Chrome's trace format, one a line, with commas between. A rank is
  // a process; a row is a thread and the event's category.
  std::string to_json(int rank) const;

 private:
  std::vector<TraceEvent> events_;
  std::set<std::string> names_;
};

// Writes {"traceEvents": [...]}, for chrome://tracing and Perfetto, from the
// to_json() of all ranks.
void write_trace(const Path& path, std::span<const std::string> ranks);

// Seconds of a clock that only goes forward, from an arbitrary start.
double monotonic_seconds();

}  // namespace dure
