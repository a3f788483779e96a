// Any bytes as a file that a run wrote: refused with an Error, or something
// that can be drawn.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "dure/base/check.h"
#include "dure/report/line_chart.h"
#include "dure/report/memory_peaks.h"
#include "dure/report/metrics_series.h"
#include "dure/report/pipeline_step.h"
#include "dure/report/trace_events.h"

namespace dure::report {
namespace {

void draw(const MetricsSeries& series) {
  LineChart chart = {.title = "loss", .lines = {{.name = "loss"}}};
  for (const train::Metrics& line : series.lines) {
    chart.lines[0].points.push_back(
        {.x = static_cast<double>(line.step), .y = line.loss});
  }
  const std::string svg = to_svg(chart);
  if (svg.find("nan") != std::string::npos ||
      table_of(chart, 10).rows.size() > 11) {
    std::abort();
  }
}

void find(const TraceEvents& events) {
  for (const parallel::NamedSchedule& schedule : parallel::schedules()) {
    const parallel::ScheduleOptions options = {.kind = schedule.value,
                                               .stages = 2};
    const auto step = find_step(events, options, {0, 1}, {});
    if (step && step->measured.spans.size() != 2) {
      std::abort();
    }
  }
}

template <typename Read>
void try_read(Read read) {
  try {
    read();
  } catch (const Error&) {
  }
}

}  // namespace
}  // namespace dure::report

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace dure::report;  // NOLINT(google-build-using-namespace)
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_read([&] { draw(read_metrics(text, "metrics.jsonl")); });
  try_read([&] { read_memory(text, "memory.json"); });
  try_read([&] { find(read_trace(text, "trace.json")); });
  return 0;
}
