#include "dure/base/trace.h"

#include <chrono>
#include <fmt/format.h>

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

void Trace::write(const Path& path, int rank) const {
  AtomicFile file(path);
  file.write("{\"traceEvents\":[");
  const char* separator = "\n";
  for (const TraceEvent& event : events_) {
    file.write(fmt::format(
        "{}{{\"name\":\"{}\",\"ph\":\"X\",\"pid\":{},\"tid\":0,\"ts\":{:.3f},"
        "\"dur\":{:.3f},\"args\":{{\"gflop\":{:.6f},\"mbytes\":{:.6f}}}}}",
        separator,
        event.name,
        rank,
        1e6 * event.start_seconds,
        1e6 * event.seconds,
        1e-9 * event.flops,
        1e-6 * event.bytes));
    separator = ",\n";
  }
  file.write("\n]}\n");
  file.commit();
}

}  // namespace dure
