#include "dure/report/pipeline_step.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "dure/base/check.h"

namespace dure::report {
namespace {

using parallel::Action;
using parallel::Pass;
using parallel::Program;
using parallel::Replay;
using parallel::ScheduleOptions;

using Spans = std::vector<parallel::Span>;

// For each place on the pipe axis, the rank's events in the order of time.
using Rows = std::vector<std::vector<ActionEvent>>;

Rows rows_of(const TraceEvents& events,
             const std::vector<int>& ranks,
             Pass backward) {
  std::map<int, std::size_t> place;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    place[ranks[i]] = i;
  }
  Rows rows(ranks.size());
  for (ActionEvent event : events.actions) {
    if (event.action.pass == Pass::kBackward) {
      event.action.pass = backward;
    }
    const auto found = place.find(event.rank);
    if (found != place.end()) {
      rows[found->second].push_back(event);
    }
  }
  for (auto& row : rows) {
    std::stable_sort(
        row.begin(), row.end(), [](const ActionEvent& a, const ActionEvent& b) {
          return a.start < b.start;
        });
  }
  return rows;
}

std::span<const ActionEvent> within(const std::vector<ActionEvent>& row,
                                    const StepEvent& step) {
  const auto before = [](const ActionEvent& event, double time) {
    return event.start < time;
  };
  const auto first =
      std::lower_bound(row.begin(), row.end(), step.start, before);
  const auto last =
      std::lower_bound(first, row.end(), step.start + step.seconds, before);
  return {first, last};
}

// The number of micro-batches that went backward; evaluation has none.
int micro_batches_of(std::span<const ActionEvent> events, Pass backward) {
  int most = 0;
  for (const ActionEvent& event : events) {
    if (event.action.pass == backward) {
      most = std::max(most, event.action.micro_batch + 1);
    }
  }
  return most;
}

int updates_of(std::span<const ActionEvent> events) {
  return static_cast<int>(
      std::count_if(events.begin(), events.end(), [](const ActionEvent& event) {
        return event.action.pass == Pass::kUpdate;
      }));
}

// The spans of the program's actions, with which the events must begin.
std::optional<Spans> spans_of(std::span<const ActionEvent> events,
                              const Program& program) {
  if (events.size() < program.size()) {
    return std::nullopt;
  }
  Spans spans;
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (events[i].action != program[i]) {
      return std::nullopt;
    }
    spans.push_back({.action = program[i],
                     .start = events[i].start,
                     .end = events[i].start + events[i].seconds});
  }
  return spans;
}

// If no moment is in the steps of all ranks, their clocks differ.
bool clocks_differ(const std::vector<StepEvent>& steps) {
  double latest_start = 0;
  double earliest_end = std::numeric_limits<double>::infinity();
  for (const StepEvent& step : steps) {
    latest_start = std::max(latest_start, step.start);
    earliest_end = std::min(earliest_end, step.start + step.seconds);
  }
  return latest_start > earliest_end;
}

double busy(const Spans& spans) {
  return std::accumulate(
      spans.begin(), spans.end(), 0.0, [](double sum, const auto& span) {
        return sum + span.end - span.start;
      });
}

// Moves the first action of all to time 0.
void set_origin(Replay& replay) {
  double first = std::numeric_limits<double>::infinity();
  for (const Spans& spans : replay.spans) {
    for (const auto& span : spans) {
      first = std::min(first, span.start);
      replay.makespan = std::max(replay.makespan, span.end);
    }
  }
  replay.makespan -= first;
  for (Spans& spans : replay.spans) {
    for (auto& span : spans) {
      span.start -= first;
      span.end -= first;
    }
    replay.bubble.push_back(replay.makespan - busy(spans));
  }
}

// The mean time of a pass, for a rank's chunk and over all chunks.
class MeanTimes {
 public:
  explicit MeanTimes(const Replay& measured) {
    for (std::size_t rank = 0; rank < measured.spans.size(); ++rank) {
      for (const auto& span : measured.spans[rank]) {
        add(own_[{rank, span.action.chunk, span.action.pass}], span);
        add(all_[span.action.pass], span);
      }
    }
  }

  double of(int rank, const Action& action) const {
    const auto found =
        own_.find({static_cast<std::size_t>(rank), action.chunk, action.pass});
    return found == own_.end() ? 0 : found->second.mean();
  }
  double of(Pass pass) const {
    const auto found = all_.find(pass);
    return found == all_.end() ? 0 : found->second.mean();
  }

 private:
  struct Sum {
    double seconds = 0;
    int count = 0;
    double mean() const { return seconds / count; }
  };
  static void add(Sum& sum, const parallel::Span& span) {
    sum.seconds += span.end - span.start;
    ++sum.count;
  }

  std::map<std::tuple<std::size_t, int, Pass>, Sum> own_;
  std::map<Pass, Sum> all_;
};

void plan(PipelineStep& step, const std::vector<Program>& programs) {
  const MeanTimes times(step.measured);
  step.planned = parallel::replay(
      step.options,
      programs,
      [&](int, const Action& action) { return times.of(action.pass); },
      0);
  step.uneven = parallel::replay(
      step.options,
      programs,
      [&](int rank, const Action& action) { return times.of(rank, action); },
      0);
}

// The step's events of the ranks, in their order; fewer if some have none.
std::vector<StepEvent> steps_of(const TraceEvents& events,
                                const std::vector<int>& ranks,
                                std::int64_t step) {
  std::vector<StepEvent> found;
  for (const int rank : ranks) {
    const auto event = std::find_if(
        events.steps.begin(), events.steps.end(), [&](const StepEvent& e) {
          return e.rank == rank && e.step == step;
        });
    if (event != events.steps.end()) {
      found.push_back(*event);
    }
  }
  return found;
}

// Whether the schedule can have so many micro-batches.
bool is_valid(const ScheduleOptions& options) {
  try {
    parallel::validate(options);
    return true;
  } catch (const UsageError&) {
    return false;
  }
}

std::optional<PipelineStep> step_of(const Rows& rows,
                                    const std::vector<StepEvent>& steps,
                                    PipelineStep step) {
  const Pass backward = parallel::splits_backward(step.options.kind)
                            ? Pass::kInputGradient
                            : Pass::kBackward;
  const int micro_batches =
      micro_batches_of(within(rows[0], steps[0]), backward);
  // More micro-batches than events would only cost time.
  if (micro_batches == 0 ||
      static_cast<std::size_t>(micro_batches) > rows[0].size()) {
    return std::nullopt;
  }
  step.options.micro_batches = micro_batches;
  step.options.micro_batches_per_update =
      micro_batches / std::max(1, updates_of(within(rows[0], steps[0])));
  if (!is_valid(step.options)) {
    return std::nullopt;
  }
  const std::vector<Program> programs = parallel::programs_of(step.options);
  step.aligned = clocks_differ(steps);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto spans = spans_of(within(rows[i], steps[i]), programs[i]);
    if (!spans) {
      return std::nullopt;
    }
    for (auto& span : *spans) {
      const double origin = step.aligned ? steps[i].start : 0;
      span.start -= origin;
      span.end -= origin;
    }
    step.measured.spans.push_back(std::move(*spans));
  }
  set_origin(step.measured);
  plan(step, programs);
  return step;
}

}  // namespace

double bubble_share(const Replay& replay) {
  const double all =
      replay.makespan * static_cast<double>(replay.bubble.size());
  return all > 0 ? std::accumulate(
                       replay.bubble.begin(), replay.bubble.end(), 0.0) /
                       all
                 : 0;
}

std::optional<PipelineStep> find_step(const TraceEvents& events,
                                      ScheduleOptions options,
                                      const std::vector<int>& ranks,
                                      std::optional<std::int64_t> wanted) {
  const Rows rows =
      rows_of(events,
              ranks,
              parallel::splits_backward(options.kind) ? Pass::kInputGradient
                                                      : Pass::kBackward);
  std::set<std::int64_t, std::greater<>> candidates;
  for (const StepEvent& event : events.steps) {
    if (event.rank == ranks[0] && (!wanted || event.step == *wanted)) {
      candidates.insert(event.step);
    }
  }
  for (const std::int64_t number : candidates) {
    const std::vector<StepEvent> steps = steps_of(events, ranks, number);
    if (steps.size() != ranks.size()) {
      continue;
    }
    auto step = step_of(
        rows, steps, {.step = number, .options = options, .ranks = ranks});
    if (step) {
      return step;
    }
  }
  return std::nullopt;
}

}  // namespace dure::report
