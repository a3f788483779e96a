#include "dure/cli/schedule_plan.h"

#include <algorithm>
#include <cmath>

#include "dure/base/check.h"
#include "dure/base/nearest.h"

namespace dure::cli {

using parallel::PassTimes;
using parallel::ScheduleKind;
using parallel::ScheduleOptions;

double SchedulePlan::bubble() const {
  return *std::max_element(replay.bubble.begin(), replay.bubble.end());
}

PassTimes times_of(const ScheduleRequest& request) {
  PassTimes times = {.forward = request.forward, .message = request.message};
  if (request.input && request.weight) {
    const double sum = *request.input + *request.weight;
    times.backward = request.backward.value_or(sum);
    if (std::abs(times.backward - sum) > 1e-9 * sum) {  // up to rounding

      throw UsageError(
          "wanted --backward = --input + --weight = {:g}, got "
          "{:g}; leave one of them out",
          sum,
          times.backward);
    }
  } else {
    times.backward = request.backward.value_or(2);
  }
  times.input = request.input.value_or(
      request.weight ? times.backward - *request.weight : times.backward / 2);
  times.weight = times.backward - times.input;
  if (times.input < 0 || times.weight < 0) {
    throw UsageError("wanted --input and --weight of at most --backward = {:g}",
                     times.backward);
  }
  return times;
}

namespace {

constexpr std::int64_t kMostActions = std::int64_t{1} << 24;

ScheduleKind kind_of(const std::string& name) {
  std::vector<std::string> names;
  for (const parallel::NamedSchedule& schedule : parallel::schedules()) {
    if (name == schedule.name) {
      return schedule.value;
    }
    names.emplace_back(schedule.name);
  }
  names.emplace_back(kAllSchedules);
  throw UsageError("unknown schedule \"{}\"{}", name, suggestion(name, names));
}

ScheduleOptions schedule_of(const ScheduleRequest& request, ScheduleKind kind) {
  ScheduleOptions schedule = {.kind = kind,
                              .ranks = request.stages,
                              .micro_batches = request.micro_batches};
  const bool has_chunks =
      kind == ScheduleKind::kInterleaved || kind == ScheduleKind::kZbV;
  schedule.chunks = request.virtual_stages > 0 ? request.virtual_stages
                    : has_chunks               ? 2
                                               : 1;
  if (request.update_every > 0) {
    schedule.micro_batches_per_update = request.update_every;
  } else if (kind == ScheduleKind::kPipedream2bw) {
    schedule.micro_batches_per_update = request.stages;
  }
  return schedule;
}

void check_size(const ScheduleOptions& schedule) {
  const std::int64_t actions =
      std::int64_t{schedule.ranks} * schedule.micro_batches * schedule.chunks;
  if (actions > kMostActions) {
    throw UsageError(
        "wanted stages x micro-batches x virtual stages of at most "
        "{}, got {}; fewer micro-batches show the same order",
        kMostActions,
        actions);
  }
}

SchedulePlan plan_of(const ScheduleRequest& request, ScheduleKind kind) {
  SchedulePlan plan = {.schedule = schedule_of(request, kind)};
  parallel::validate(plan.schedule);
  check_size(plan.schedule);
  plan.replay = parallel::replay(plan.schedule, times_of(request));
  return plan;
}

// An option for one kind of schedule applies to that kind alone.
SchedulePlan plan_one_of_all(ScheduleRequest request, ScheduleKind kind) {
  if (kind != ScheduleKind::kInterleaved) {
    request.virtual_stages = 0;
  }
  if (kind != ScheduleKind::kPipedream2bw) {
    request.update_every = 0;
  }
  try {
    return plan_of(request, kind);
  } catch (const UsageError& error) {
    return {.schedule = schedule_of(request, kind), .refused = error.what()};
  }
}

}  // namespace

SchedulePlan plan_schedule(const ScheduleRequest& request) {
  const ScheduleKind kind = kind_of(request.name);
  if (request.update_every > 0 && parallel::is_synchronous(kind)) {
    throw UsageError(
        "--update-every is for schedules without a flush, "
        "pipedream and pipedream-2bw; {} updates at the end",
        request.name);
  }
  return plan_of(request, kind);
}

std::vector<SchedulePlan> plan_all_schedules(const ScheduleRequest& request) {
  times_of(request);  // throws for them all
  std::vector<SchedulePlan> plans;
  for (const parallel::NamedSchedule& schedule : parallel::schedules()) {
    plans.push_back(plan_one_of_all(request, schedule.value));
  }
  return plans;
}

}  // namespace dure::cli
