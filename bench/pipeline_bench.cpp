// Compares pipeline schedules on two ranks that share the machine's cores with
// one rank that has them all: the time of a step, the ranks' idle share, and
// the idle share by the schedule.
//
//   pipeline_bench [--preset NAME] [--stages P] [--micro-batches M]
//                  [--micro-batch B] [--sequence S] [--rounds N]
//                  [--split COUNTS] [--chunk-split COUNTS]
//                  [--steps N] [--whole-logits] [--smoke]
//
// COUNTS are parallel.split's, of P stages and of 2 P; --whole-logits is
// memory.logits. The head has a weight of its own, as schedules without a flush
// need. Their step here is a fourth of a segment of 4 M micro-batches, which
// fills and drains once. A round takes N steps of one rank and of every
// schedule, forwards and backwards in turn. Medians of all steps are shown, and
// ratios are to the one rank's step of the same number in the same round. A
// bubble is the mean over ranks of their idle share of the time from the first
// action to the last end: as measured; as the schedule replays with the mean
// times of each rank's actions; and by the formula, with forward 1 and backward
// 2 (1 and 1 in halves). One rank's gaps between actions are the executor's own
// time.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "bench/random_tokens.h"
#include "bench/spread.h"
#include "bench/tiny_model.h"
#include "dure/base/trace.h"
#include "dure/launch/run_ranks.h"
#include "dure/model/families/families.h"
#include "dure/parallel/pipeline/replay.h"
#include "dure/train/options.h"
#include "dure/train/trainer.h"

namespace dure::bench {
namespace {

using parallel::Action;
using parallel::Pass;
using parallel::Program;
using parallel::Replay;
using parallel::ScheduleKind;
using parallel::ScheduleOptions;

struct Options {
  model::ModelConfig model = model::preset("gpt2-124m");
  int stages = 2;
  int micro_batches = 8;
  std::int64_t micro_batch = 1;
  std::int64_t sequence = 256;
  int rounds = 3;
  int steps = 3;
  // In GPT-2 124M the head, forward and backward, takes as long as some five
  // blocks.
  std::string split = "10,4";
  std::string chunk_split = "5,4,4,1";
  train::LogitsMemory logits = train::LogitsMemory::kBlocks;
};

struct Case {
  std::string name;
  ScheduleKind kind = ScheduleKind::k1F1B;
  int ranks = 1;
  int chunks = 1;
};

using Traces = std::vector<std::vector<TraceEvent>>;  // by rank: actions

struct Measured {  // by step
  std::vector<double> seconds;
  std::vector<Traces> traces;
};

std::vector<Case> cases_of(const Options& options) {
  std::vector<Case> cases = {{.name = "1 rank"}};
  for (const auto& [name, kind] : parallel::schedules()) {
    const bool two =
        kind == ScheduleKind::kInterleaved || kind == ScheduleKind::kZbV;
    cases.push_back({.name = name,
                     .kind = kind,
                     .ranks = options.stages,
                     .chunks = two ? 2 : 1});
  }
  return cases;
}

// The number of steps of M micro-batches that are timed together.
int steps_at_once(const Case& one) {
  return parallel::is_synchronous(one.kind) ? 1 : 4;
}

// The micro-batches of an update.
int micro_batches_per_update(const Options& options, const Case& one) {
  return one.kind == ScheduleKind::kPipedream ? 1 : options.micro_batches;
}

ScheduleOptions schedule_of(const Options& options, const Case& one) {
  return {.kind = one.kind,
          .ranks = one.ranks,
          .micro_batches = options.micro_batches * steps_at_once(one),
          .chunks = one.chunks,
          .micro_batches_per_update = micro_batches_per_update(options, one)};
}

train::Config config_of(const Options& options, const Case& one) {
  train::Config config;
  config.model = options.model;
  config.model.tie_embeddings = false;
  config.optimizer.clip_gradient = 0;
  config.data.sequence = options.sequence;
  config.train.micro_batch = options.micro_batch;
  config.train.global_batch =
      options.micro_batch * micro_batches_per_update(options, one);
  config.parallel.data = 1;
  config.parallel.pipeline = one.ranks;
  config.parallel.schedule = one.kind;
  config.parallel.virtual_stages = one.chunks;
  config.memory.logits = options.logits;
  if (one.ranks > 1) {
    config.parallel.split =
        one.chunks > 1 ? options.chunk_split : options.split;
  }
  return train::resolve(config);
}

std::vector<TraceEvent> actions_of(const Trace& trace) {
  std::vector<TraceEvent> actions;
  for (const TraceEvent& event : trace.events()) {
    if (event.row == TraceRow::kPipeline) {
      actions.push_back(event);
    }
  }
  return actions;
}

void measure(const Options& options, const Case& one, Measured& into) {
  const train::Config config = config_of(options, one);
  const std::size_t before = into.traces.size();
  into.traces.resize(before + static_cast<std::size_t>(options.steps),
                     Traces(static_cast<std::size_t>(one.ranks)));
  const auto body = [&](comm::Communicator& world) {
    train::RankOptions rank_options = train::rank_options(config);
    rank_options.world = &world;
    train::Rank rank(rank_options);
    train::Trainer trainer(rank, config);
    const RandomTokens data(options.sequence, config.model.vocabulary);
    const ScheduleOptions schedule = schedule_of(options, one);
    const int updates =
        schedule.micro_batches / schedule.micro_batches_per_update;
    trainer.steps(data, 1);  // warms up
    for (std::size_t step = before; step < into.traces.size(); ++step) {
      Trace trace;
      rank.stream.set_trace(&trace);
      world.run(rank.stream, comm::Barrier{});
      const double start = monotonic_seconds();
      trainer.steps(data, updates);
      if (rank.is_first()) {
        into.seconds.push_back((monotonic_seconds() - start) /
                               steps_at_once(one));
      }
      rank.stream.set_trace(nullptr);
      into.traces[step][static_cast<std::size_t>(world.rank())] =
          actions_of(trace);
    }
  };
  launch::run_ranks({.ranks = one.ranks}, body);
}

double end_of(const TraceEvent& event) {
  return event.start_seconds + event.seconds;
}

double busy(const std::vector<TraceEvent>& actions) {
  double sum = 0;
  for (const TraceEvent& event : actions) {
    sum += event.seconds;
  }
  return sum;
}

// The ranks' mean idle share of the whole time.
double measured_bubble(const Traces& traces) {
  double first = traces[0].front().start_seconds;
  double last = 0;
  double sum = 0;
  for (const auto& actions : traces) {
    first = std::min(first, actions.front().start_seconds);
    last = std::max(last, end_of(actions.back()));
    sum += busy(actions);
  }
  return 1 - sum / (static_cast<double>(traces.size()) * (last - first));
}

// The share of the makespan, because a step ends for all ranks together.
double bubble_of(const Replay& replay) {
  double sum = 0;
  for (const auto& spans : replay.spans) {
    for (const parallel::Span& span : spans) {
      sum += span.end - span.start;
    }
  }
  return 1 - sum / (static_cast<double>(replay.spans.size()) * replay.makespan);
}

// Replays with the mean of each rank's actions of a kind.
double replayed_bubble(const Options& options,
                       const Case& one,
                       const Traces& traces) {
  const ScheduleOptions schedule = schedule_of(options, one);
  using Kind = std::tuple<int, Pass, int>;  // rank, pass, chunk
  std::map<Kind, std::pair<double, int>> sums;
  std::vector<Program> programs;
  for (int rank = 0; rank < one.ranks; ++rank) {
    programs.push_back(program_of(schedule, rank));
    const auto& actions = traces[static_cast<std::size_t>(rank)];
    for (std::size_t i = 0; i < programs.back().size(); ++i) {
      const Action& action = programs.back()[i];
      auto& [sum, count] = sums[{rank, action.pass, action.chunk}];
      sum += actions[i].seconds;
      ++count;
    }
  }
  const auto time_of = [&](int rank, const Action& action) {
    const auto& [sum, count] = sums.at({rank, action.pass, action.chunk});
    return sum / count;
  };
  return bubble_of(replay(schedule, programs, time_of, 0));
}

template <typename Share>
double median_of(const Measured& measured, const Share& share) {
  std::vector<double> shares;
  for (const Traces& traces : measured.traces) {
    shares.push_back(share(traces));
  }
  return spread_of(std::move(shares)).median;
}

void print(const Options& options,
           const std::vector<Case>& cases,
           const std::map<std::string, Measured>& results) {
  const Measured& one = results.at("1 rank");
  std::printf(
      "\n%s, %d micro-batches of %lld x %lld, %d ranks, fp32, logits %s\n\n"
      "| schedule | step, s | / 1 rank | bubble | replayed | formula |\n"
      "| --- | --- | --- | --- | --- | --- |\n",
      options.model.preset.c_str(),
      options.micro_batches,
      static_cast<long long>(options.micro_batch),
      static_cast<long long>(options.sequence),
      options.stages,
      options.logits == train::LogitsMemory::kWhole ? "whole" : "in blocks");
  for (const Case& each : cases) {
    const Measured& measured = results.at(each.name);
    std::printf("| %s | %.2f | %s | %.1f %% | %.1f %% | %.1f %% |\n",
                each.name.c_str(),
                spread_of(measured.seconds).median,
                ratio_text(measured.seconds, one.seconds).c_str(),
                100 * median_of(measured, measured_bubble),
                100 * median_of(measured,
                                [&](const Traces& traces) {
                                  return replayed_bubble(options, each, traces);
                                }),
                100 * bubble_of(replay(schedule_of(options, each))));
  }
  // For one rank: the time between its actions.
  std::printf("\nBetween one rank's actions: %.3f %% of its step\n",
              100 * median_of(one, measured_bubble));
}

void run(const Options& options) {
  std::vector<Case> cases = cases_of(options);
  const std::vector<Case> as_printed = cases;
  std::map<std::string, Measured> results;
  for (int round = 0; round < options.rounds; ++round) {
    for (const Case& one : cases) {
      std::fprintf(stderr,
                   "round %d of %d: %s\n",
                   round + 1,
                   options.rounds,
                   one.name.c_str());
      measure(options, one, results[one.name]);
    }
    std::reverse(cases.begin(), cases.end());
  }
  print(options, as_printed, results);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto next = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (arg == "--preset") {
      options.model = model::preset(next());
    } else if (arg == "--stages") {
      options.stages = std::atoi(next());
    } else if (arg == "--micro-batches") {
      options.micro_batches = std::atoi(next());
    } else if (arg == "--micro-batch") {
      options.micro_batch = std::atoll(next());
    } else if (arg == "--sequence") {
      options.sequence = std::atoll(next());
    } else if (arg == "--rounds") {
      options.rounds = std::atoi(next());
    } else if (arg == "--split") {
      options.split = next();
    } else if (arg == "--chunk-split") {
      options.chunk_split = next();
    } else if (arg == "--steps") {
      options.steps = std::atoi(next());
    } else if (arg == "--whole-logits") {
      options.logits = train::LogitsMemory::kWhole;
    } else if (arg == "--smoke") {
      options = {.model = tiny_model(),
                 .micro_batches = 4,
                 .sequence = 16,
                 .rounds = 1,
                 .steps = 1,
                 .split = "even",
                 .chunk_split = "even"};
    }
  }
  return options;
}

}  // namespace
}  // namespace dure::bench

int main(int argc, char** argv) {
  dure::bench::run(dure::bench::parse(argc, argv));
}
