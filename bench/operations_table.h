// A table of the time of a traced step, an operation a line.
#pragma once

#include <cstdio>
#include <set>
#include <string>

#include "dure/base/trace.h"

namespace dure::bench {

// `seconds` is the step's wall time. Communication in parallel is named in
// brackets and not counted.
inline void print_operations(const Trace& trace, double seconds) {
  double accounted = 0;
  std::set<std::string> communication;
  for (const TraceEvent& event : trace.events()) {
    if (event.row == TraceRow::kCommunication) {
      communication.insert(event.name);
    } else {
      accounted += event.seconds;
    }
  }
  std::printf("\n%-22s %6s %9s %7s %9s %8s\n",
              "operation",
              "calls",
              "ms",
              "share",
              "GFLOP/s",
              "GB/s");
  for (const auto& [name, sum] : trace.sums()) {
    const bool beside = communication.contains(name);
    std::printf("%-22s %6llu %9.2f %6.1f%% %9.1f %8.1f\n",
                (beside ? "[" + name + "]" : name).c_str(),
                static_cast<unsigned long long>(sum.count),
                1e3 * sum.seconds,
                100 * sum.seconds / seconds,
                1e-9 * sum.flops / sum.seconds,
                1e-9 * sum.bytes / sum.seconds);
  }
  std::printf("%-22s %6s %9.2f %6.1f%%\n",
              "(outside)",
              "",
              1e3 * (seconds - accounted),
              100 * (1 - accounted / seconds));
}

}  // namespace dure::bench
