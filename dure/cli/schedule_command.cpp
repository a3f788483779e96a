// `dure plan schedule`: replays a pipeline's schedule against a clock.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/cli/commands.h"
#include "dure/cli/output.h"
#include "dure/cli/schedule_plan.h"
#include "dure/parallel/pipeline/draw.h"

namespace dure::cli {
namespace {

using nlohmann::ordered_json;
using parallel::PassTimes;
using parallel::ScheduleKind;

struct Options {
  ScheduleRequest request;
  std::string svg;
  bool json = false;
};

ordered_json json_of(const SchedulePlan& plan) {
  ordered_json facts = {{"schedule", name_of(plan.schedule.kind)},
                        {"stages", plan.schedule.ranks},
                        {"micro_batches", plan.schedule.micro_batches},
                        {"virtual_stages", plan.schedule.chunks},
                        {"update_every", nullptr}};
  if (!parallel::is_synchronous(plan.schedule.kind)) {
    facts["update_every"] = plan.schedule.micro_batches_per_update;
  }
  if (!plan.refused.empty()) {
    facts["refused"] = plan.refused;
    return facts;
  }
  facts["makespan"] = plan.replay.makespan;
  facts["period"] = plan.replay.period;
  facts["bubble"] = plan.replay.bubble;
  facts["peak_in_flight"] = plan.replay.peak_in_flight;
  facts["weight_versions"] = plan.replay.weight_versions;
  return facts;
}

// Whether the halves of backwards are shown.
enum class Halves { kLeftOut, kShown };

std::string heading(const ScheduleRequest& request, Halves halves) {
  const PassTimes times = times_of(request);
  std::string text = fmt::format(
      "{} stages, {} micro-batches; forward {:.6g}, "
      "backward {:.6g}",
      request.stages,
      request.micro_batches,
      times.forward,
      times.backward);
  if (halves == Halves::kShown) {
    text += fmt::format(" = {:.6g} + {:.6g}", times.input, times.weight);
  }
  if (times.message > 0) {
    text += fmt::format(", a message {:.6g}", times.message);
  }
  return text;
}

std::string title(const ScheduleRequest& request, const SchedulePlan& plan) {
  const ScheduleKind kind = plan.schedule.kind;
  return fmt::format(
      "{}: {}",
      name_of(kind),
      heading(
          request,
          parallel::splits_backward(kind) ? Halves::kShown : Halves::kLeftOut));
}

void print_ranks(const SchedulePlan& plan) {
  fmt::print("rank{:>10}{:>10}{:>14}{:>18}\n",
             "busy",
             "bubble",
             "activations",
             "weight versions");
  for (int rank = 0; rank < plan.schedule.ranks; ++rank) {
    const double bubble = plan.replay.bubble[rank];
    fmt::print("{:>4}{:>10.6g}{:>10.6g}{:>14}{:>18}\n",
               rank,
               plan.replay.period - bubble,
               bubble,
               plan.replay.peak_in_flight[rank],
               plan.replay.weight_versions[rank]);
  }
}

void print_plan(const ScheduleRequest& request, const SchedulePlan& plan) {
  fmt::print("{}\n\n{}\n",
             title(request, plan),
             parallel::draw_text(plan.schedule, plan.replay));
  print_ranks(plan);
  fmt::print(
      "\nmakespan {:.6g}; bubble {:.6g}: {:.1f} % of the time, {:.1f} % "
      "of the work\n",
      plan.replay.makespan,
      plan.bubble(),
      100 * plan.share_of_time(),
      100 * plan.share_of_work());
  if (plan.replay.period < plan.replay.makespan) {
    fmt::print(
        "a step every {:.6g}, where ranks begin the next without "
        "waiting for one another\n",
        plan.replay.period);
  }
}

void print_comparison(const ScheduleRequest& request,
                      const std::vector<SchedulePlan>& plans) {
  fmt::print("{}\n\n{:<14}{:>7}{:>10}{:>9}{:>9}{:>9}{:>13}{:>10}\n",
             heading(request, Halves::kShown),
             "schedule",
             "chunks",
             "makespan",
             "period",
             "bubble",
             "of time",
             "activations",
             "versions");
  std::string refused;
  for (const SchedulePlan& plan : plans) {
    const char* const name = name_of(plan.schedule.kind);
    if (!plan.refused.empty()) {
      refused += fmt::format("\n{}\n", plan.refused);
      continue;
    }
    const auto most = [](const std::vector<int>& counts) {
      return *std::max_element(counts.begin(), counts.end());
    };
    fmt::print(
        "{:<14}{:>7}{:>10.6g}{:>9.6g}{:>9.6g}{:>7.1f} %{:>13.6g}{:>10}\n",
        name,
        plan.schedule.chunks,
        plan.replay.makespan,
        plan.replay.period,
        plan.bubble(),
        100 * plan.share_of_time(),
        most(plan.replay.peak_in_flight) / double(plan.schedule.chunks),
        most(plan.replay.weight_versions));
  }
  fmt::print("{}", refused);
}

void run_all(const Options& options) {
  if (!options.svg.empty()) {
    throw UsageError("wanted one --schedule for --svg, got all");
  }
  const std::vector<SchedulePlan> plans = plan_all_schedules(options.request);
  if (!options.json) {
    print_comparison(options.request, plans);
    return;
  }
  ordered_json facts = ordered_json::array();
  for (const SchedulePlan& plan : plans) {
    facts.push_back(json_of(plan));
  }
  put_json(facts);
}

void run_one(const Options& options) {
  const SchedulePlan plan = plan_schedule(options.request);
  if (!options.svg.empty()) {
    AtomicFile file(options.svg);
    file.write(parallel::draw_svg(
        plan.schedule, plan.replay, {.title = title(options.request, plan)}));
    file.commit();
  }
  if (options.json) {
    put_json(json_of(plan));
  } else {
    print_plan(options.request, plan);
  }
}

void add_sizes(CLI::App& command, ScheduleRequest& request) {
  const CLI::Validator count = CLI::Range(1, 1 << 20).description("POSITIVE");
  command.add_option("--stages", request.stages, "Ranks of the pipeline")
      ->check(count)
      ->required();
  command
      .add_option("--micro-batches", request.micro_batches, "Of the program")
      ->check(count)
      ->required();
  std::string names;
  for (const parallel::NamedSchedule& schedule : parallel::schedules()) {
    names += schedule.name;
    names += ", ";
  }
  command
      .add_option("--schedule", request.name, names + "or all: a table of them")
      ->type_name("NAME")
      ->capture_default_str();
  command
      .add_option("--virtual-stages",
                  request.virtual_stages,
                  "Chunks of layers on each rank; else 2 of interleaved and "
                  "zb-v, 1 of others")
      ->check(count);
  command
      .add_option("--update-every",
                  request.update_every,
                  "Micro-batches of an update without a flush; else 1 of "
                  "pipedream, --stages of pipedream-2bw. --micro-batches is "
                  "a multiple")
      ->check(count);
}

void add_times(CLI::App& command, ScheduleRequest& request) {
  command
      .add_option("--forward",
                  request.forward,
                  "Time of a rank's layers forward, of a micro-batch")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--backward", request.backward, "Backward; else 2")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--input",
                  request.input,
                  "Of the backward, what gradients of inputs take; else half")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--weight", request.weight, "And those of weights; the rest")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--message",
                  request.message,
                  "Time of a message from one rank to another")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

}  // namespace

void add_plan_schedule(CLI::App& plan) {
  auto options = std::make_shared<Options>();
  CLI::App* command = plan.add_subcommand(
      "schedule", "A pipeline's schedule: drawing, bubble, activations");
  add_sizes(*command, options->request);
  add_times(*command, options->request);
  command->add_option("--svg", options->svg, "Write the drawing to this file")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "Print the facts as JSON");
  command->footer(
      "In the drawing F is a forward, B a backward, W the gradients of\n"
      "weights where backwards are split, 3.1 micro-batch 3 of chunk 1. A\n"
      "cell is the longest time that all are made of.\n"
      "\n"
      "--json prints schedule, stages, micro_batches, virtual_stages,\n"
      "update_every (null where a step is flushed), makespan (of the program,\n"
      "alone), period (from one program to the next where ranks do not wait\n"
      "for one another in between; less than makespan for zb-2p),\n"
      "and lists by rank: bubble (the period less what the rank is busy),\n"
      "peak_in_flight (activations held at once, each of a micro-batch of a\n"
      "chunk), weight_versions. Of all: a list of such; where a schedule\n"
      "can't be of these sizes, refused says why.\n"
      "\n"
      "Examples:\n"
      "  dure plan schedule --stages 4 --micro-batches 8\n"
      "  dure plan schedule --stages 4 --micro-batches 8 --schedule "
      "interleaved --svg plan.svg");
  command->callback([options] {
    if (options->request.name == kAllSchedules) {
      run_all(*options);
    } else {
      run_one(*options);
    }
  });
}

}  // namespace dure::cli
