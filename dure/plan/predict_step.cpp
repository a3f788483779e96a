#include "dure/plan/predict_step.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/trace.h"
#include "dure/config/pipeline.h"
#include "dure/parallel/pipeline/replay.h"
#include "dure/plan/simulated.h"

namespace dure::plan {
namespace {

// A stage's step, as if it never waited for messages.
struct StageRun {
  std::vector<double> actions;  // seconds, in the program's order
  double message = 0;           // the longest that it received
  double after = 0;             // from the last action to the step's end
  std::size_t gathered_bytes = 0;
  std::int64_t tokens = 0;
};

// Gathering received parts counts to the action that waits for it.
StageRun read(const Trace& trace, double end_seconds) {
  StageRun run;
  double gathering = 0;
  double last = end_seconds;
  for (const TraceEvent& event : trace.events()) {
    const std::string_view name = event.name;
    if (event.row == TraceRow::kPipeline) {
      run.actions.push_back(event.seconds + std::exchange(gathering, 0));
      last = event.start_seconds + event.seconds;
    } else if (name == "recv stream") {
      run.message = std::max(run.message, event.seconds);
    } else if (name == "all_gather stream") {
      gathering += event.seconds;
    }
  }
  run.after = end_seconds - last;
  return run;
}

std::size_t gathered_so_far(const train::Rank& rank) {
  return rank.world().traffic().of("data shard", comm::Kind::kAllGather).bytes;
}

StageRun run_stage(const train::Config& config,
                   int rank,
                   const Machines& machines) {
  Simulated simulated(
      simulated_rank(config, rank, machines.rates, machines.network), config);
  simulated.step();
  Trace trace;
  const std::size_t before = gathered_so_far(simulated.rank());
  Stream& stream = simulated.rank().stream;
  stream.set_trace(&trace);
  const train::StepResult step = simulated.step();
  stream.set_trace(nullptr);
  StageRun run = read(trace, stream.seconds());
  run.tokens = step.tokens;
  run.gathered_bytes = gathered_so_far(simulated.rank()) - before;
  return run;
}

// The times of one rank's actions, in order.
class Clock {
 public:
  explicit Clock(const std::vector<StageRun>& runs)
      : runs_(runs), next_(runs.size()) {}

  double operator()(int rank) {
    const auto r = static_cast<std::size_t>(rank);
    return runs_[r].actions[next_[r]++];
  }

 private:
  const std::vector<StageRun>& runs_;
  std::vector<std::size_t> next_;
};

parallel::Replay replay_of(const train::Config& config,
                           const std::vector<StageRun>& runs,
                           double message_seconds) {
  const train::Pipeline pipeline = train::pipeline_of(config);
  const std::int64_t samples =
      config.train.micro_batch * ranks_of(config.parallel, mesh::kSamples);
  const parallel::ScheduleOptions schedule = schedule_of(
      pipeline, static_cast<int>(config.train.global_batch / samples));
  const std::vector<parallel::Program> programs = programs_of(schedule);
  for (std::size_t r = 0; r < programs.size(); ++r) {
    DURE_CHECK(runs[r].actions.size() == programs[r].size(),
               "stage {} ran {} actions of {}",
               r,
               runs[r].actions.size(),
               programs[r].size());
  }
  Clock clock(runs);
  return replay(
      schedule,
      programs,
      [&](int rank, const parallel::Action&) { return clock(rank); },
      message_seconds);
}

}  // namespace

double Prediction::bubble() const {
  double sum = 0;
  for (const StageTime& stage : stages) {
    sum += stage.bubble();
  }
  return sum / static_cast<double>(stages.size());
}

Prediction predict_time(const train::Config& config, const Machines& machines) {
  train::Config whole = config;
  whole.train.batch_rampup.clear();
  Prediction prediction;
  std::vector<StageRun> runs;
  for (const int rank : first_ranks(whole)) {
    runs.push_back(run_stage(whole, rank, machines));
    prediction.message_seconds =
        std::max(prediction.message_seconds, runs.back().message);
  }
  const parallel::Replay replay =
      replay_of(whole, runs, prediction.message_seconds);
  for (std::size_t r = 0; r < runs.size(); ++r) {
    double busy = 0;
    for (const double seconds : runs[r].actions) {
      busy += seconds;
    }
    prediction.stages.push_back({.busy_seconds = busy,
                                 .idle_seconds = replay.makespan - busy,
                                 .after_seconds = runs[r].after,
                                 .gathered_bytes = runs[r].gathered_bytes});
    prediction.step_seconds = std::max(
        prediction.step_seconds, replay.spans[r].back().end + runs[r].after);
  }
  prediction.tokens_per_second =
      static_cast<double>(runs[0].tokens) / prediction.step_seconds;
  return prediction;
}

Prediction predict(const train::Config& config, const Machines& machines) {
  Prediction prediction = predict_time(config, machines);
  prediction.memory = predict_stage_memory(config);
  return prediction;
}

std::vector<GatherCost> gather_costs(const train::Config& config,
                                     const Machines& machines) {
  using parallel::Reshard;
  std::vector<GatherCost> costs;
  for (const auto& [gather, name] : {std::pair{Reshard::kAfterUse, "each_use"},
                                     {Reshard::kAfterStep, "once_a_step"}}) {
    train::Config variant = config;
    variant.parallel.zero = 3;
    variant.parallel.gather = gather;
    const Prediction prediction = predict(variant, machines);
    GatherCost cost = {.name = name, .step_seconds = prediction.step_seconds};
    for (std::size_t s = 0; s < prediction.stages.size(); ++s) {
      cost.gathered_bytes =
          std::max(cost.gathered_bytes, prediction.stages[s].gathered_bytes);
      cost.high_water =
          std::max(cost.high_water, prediction.memory[s].high_water);
    }
    costs.push_back(cost);
  }
  return costs;
}

}  // namespace dure::plan
