#include "dure/base/trace.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <utility>

namespace dure {

double monotonic_seconds() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::map<std::string, Trace::Sum> Trace::sums() const {
  std::map<std::string, Sum> sums;
  for (const TraceEvent& event : events_) {
    Sum& sum = sums[event.name];
    ++sum.count;
    sum.seconds += event.seconds;
    sum.flops += event.flops;
    sum.bytes += event.bytes;
  }
  return sums;
}

namespace {

// Half-open stretches of time, in order, none touching the next.
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

std::string name_event(const char* what, int rank, int row, const char* name) {
  return fmt::format(
      "{{\"name\":\"{}\",\"ph\":\"M\",\"pid\":{},\"tid\":{},\"args\":"
      "{{\"name\":\"{}\"}}}}",
      what,
      rank,
      row,
      name);
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
      name_event(
          "process_name", rank, 0, fmt::format("rank {}", rank).c_str()) +
      ",\n" + name_event("thread_name", rank, 0, "compute") + ",\n" +
      name_event("thread_name", rank, 1, "communication");
  for (const TraceEvent& event : events_) {
    text += fmt::format(
        ",\n{{\"name\":\"{}\",\"ph\":\"X\",\"pid\":{},\"tid\":{},\"ts\":{:.3f},"
        "\"dur\":{:.3f},\"args\":{{\"gflop\":{:.6f},\"mbytes\":{:.6f}}}}}",
        event.name,
        rank,
        static_cast<int>(event.row),
        1e6 * event.start_seconds,
        1e6 * event.seconds,
        1e-9 * event.flops,
        1e-6 * event.bytes);
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
