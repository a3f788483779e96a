// Any bytes as a file that a run wrote: refused with an Error, or drawn.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/config/load_config.h"
#include "dure/report/comparison.h"
#include "dure/report/memory_peaks.h"
#include "dure/report/metrics_series.h"
#include "dure/report/page.h"
#include "dure/report/pipeline_step.h"
#include "dure/report/trace_events.h"
#include "dure/report/well_formed.h"

namespace dure::report {
namespace {

// Draws a page about it, and one about two runs that both have it. Texts of a
// file are escaped there, so that they can't look like an attribute.
void draw(Report report) {
  report.config = train::parse_config("", "defaults", {}).config;
  report.name = "run";
  const std::string pages[] = {
      to_html(report, {.smooth = 3}),
      to_html(std::vector<Report>{report, report}),
  };
  for (const std::string& page : pages) {
    for (const char* wrong : {"d=\"Mnan", "d=\"Minf", "x=\"nan", ":nan%\""}) {
      if (page.find(wrong) != std::string::npos) {
        std::abort();
      }
    }
    if (!WellFormed(page).error().empty()) {
      std::abort();
    }
  }
}

void find(const TraceEvents& events) {
  for (const parallel::NamedSchedule& schedule : parallel::schedules()) {
    const parallel::ScheduleOptions options = {.kind = schedule.value,
                                               .ranks = 2};
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
  try_read([&] {
    Report report;
    report.metrics = read_metrics(text, "metrics.jsonl");
    draw(std::move(report));
  });
  try_read([&] {
    Report report;
    report.starts = dure::train::read_starts(text, "run.json");
    draw(std::move(report));
  });
  try_read([&] { read_memory(text, "memory.json"); });
  try_read([&] { find(read_trace(text, "trace.json")); });
  return 0;
}
