#include "dure/base/trace.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

namespace dure {

double monotonic_seconds() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

const char* name_of(TraceRow row) {
  switch (row) {
    case TraceRow::kCompute:
      return "compute";
    case TraceRow::kCommunication:
      return "communication";
    case TraceRow::kPipeline:
      return "pipeline";
    case TraceRow::kStep:
      break;
  }
  return "step";
}

std::map<std::string, Trace::Sum> Trace::sums() const {
  std::map<std::string, Sum> sums;
  for (const TraceEvent& event : events_) {
    if (event.row == TraceRow::kPipeline || event.row == TraceRow::kStep) {
      continue;  // a whole, whose parts are counted
    }
    Sum& sum = sums[event.name];
    ++sum.count;
    sum.seconds += event.seconds;
    sum.flops += event.flops;
    sum.bytes += event.bytes;
  }
  return sums;
}

namespace {

// Half-open ranges of time, in order, with gaps between them.
using Stretches = std::vector<std::pair<double, double>>;

Stretches stretches_of(const std::vector<TraceEvent>& events, TraceRow row) {
  Stretches all;
  for (const TraceEvent& event : events) {
    if (event.row == row) {
      all.emplace_back(event.start_seconds,
                       event.start_seconds + event.seconds);
    }
  }
  std::sort(all.begin(), all.end());
  Stretches merged;
  for (const auto& [begin, end] : all) {
    if (merged.empty() || begin > merged.back().second) {
      merged.emplace_back(begin, end);
    } else {
      merged.back().second = std::max(merged.back().second, end);
    }
  }
  return merged;
}

double length(const Stretches& stretches) {
  double sum = 0;
  for (const auto& [begin, end] : stretches) {
    sum += end - begin;
  }
  return sum;
}

double common_length(const Stretches& a, const Stretches& b) {
  double sum = 0;
  std::size_t j = 0;
  for (const auto& [begin, end] : a) {
    while (j < b.size() && b[j].second <= begin) {
      ++j;
    }
    for (std::size_t k = j; k < b.size() && b[k].first < end; ++k) {
      sum += std::min(end, b[k].second) - std::max(begin, b[k].first);
    }
  }
  return sum;
}

// A line of the picture: events that neither overlap nor nest, because a viewer
// drops those that do.
struct Track {
  TraceRow row;
  std::int64_t end = 0;
  std::vector<std::size_t> events = {};
};

std::int64_t nanoseconds(double seconds) {
  return std::llround(1e9 * seconds);
}

std::int64_t end_of(const TraceEvent& event) {
  return nanoseconds(event.start_seconds + event.seconds);
}

// The lines of each row: as many as it has events at once.
std::vector<Track> tracks_of(const std::vector<TraceEvent>& events) {
  std::vector<std::size_t> order(events.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(
      order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return events[a].start_seconds < events[b].start_seconds;
      });
  std::vector<Track> tracks = {Track{.row = TraceRow::kCompute},
                               Track{.row = TraceRow::kCommunication}};
  for (const std::size_t i : order) {
    const std::int64_t start = nanoseconds(events[i].start_seconds);
    auto track =
        std::find_if(tracks.begin(), tracks.end(), [&](const Track& t) {
          return t.row == events[i].row && t.end <= start;
        });
    if (track == tracks.end()) {
      track = tracks.insert(track, Track{.row = events[i].row});
    }
    track->end = end_of(events[i]);
    track->events.push_back(i);
  }
  return tracks;
}

std::string name_event(const char* what,
                       int rank,
                       std::size_t track,
                       const std::string& name) {
  return nlohmann::ordered_json{{"name", what},
                                {"ph", "M"},
                                {"pid", rank},
                                {"tid", track},
                                {"args", {{"name", name}}}}
      .dump();
}

// Times are written to the nanosecond, which a double of months would round; so
// the line is made here, and only the name is left to the library.
std::string event_json(const TraceEvent& event, int rank, std::size_t track) {
  const std::int64_t start = nanoseconds(event.start_seconds);
  return fmt::format(
      "{{\"name\":{},\"cat\":\"{}\",\"ph\":\"X\",\"pid\":{},\"tid\":{},"
      "\"ts\":{}.{:03},\"dur\":{:.3f},\"args\":{{\"gflop\":{:.6f},"
      "\"mbytes\":{:.6f}}}}}",
      nlohmann::json(event.name).dump(),
      name_of(event.row),
      rank,
      track,
      start / 1000,
      start % 1000,
      1e-3 * static_cast<double>(end_of(event) - start),
      1e-9 * event.flops,
      1e-6 * event.bytes);
}

}  // namespace

Trace::Overlap Trace::overlap() const {
  const Stretches talk = stretches_of(events_, TraceRow::kCommunication);
  return {
      .communication = length(talk),
      .hidden = common_length(talk, stretches_of(events_, TraceRow::kCompute))};
}

std::string Trace::to_json(int rank) const {
  std::string text =
      name_event("process_name", rank, 0, fmt::format("rank {}", rank));
  const std::vector<Track> tracks = tracks_of(events_);
  for (std::size_t t = 0; t < tracks.size(); ++t) {
    text += ",\n" + name_event("thread_name", rank, t, name_of(tracks[t].row));
    for (const std::size_t i : tracks[t].events) {
      text += ",\n" + event_json(events_[i], rank, t);
    }
  }
  return text;
}

void write_trace(const Path& path, std::span<const std::string> ranks) {
  AtomicFile file(path);
  file.write("{\"traceEvents\":[\n");
  const char* separator = "";
  for (const std::string& rank : ranks) {
    file.write(separator + rank);
    separator = ",\n";
  }
  file.write("\n]}\n");
  file.commit();
}

}  // namespace dure
