// `dure plan layout`: the memory of each stage of a configuration's layout, and
// the time of a step.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dure/base/arithmetic.h"
#include "dure/base/check.h"
#include "dure/cli/commands.h"
#include "dure/cli/config_options.h"
#include "dure/cli/machine_options.h"
#include "dure/cli/output.h"
#include "dure/config/load_config.h"
#include "dure/config/pipeline.h"
#include "dure/parallel/pipeline/schedule.h"
#include "dure/plan/check_memory.h"
#include "dure/plan/predict_step.h"

namespace dure::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  ConfigOptions config;
  int world = 0;  // 0: as many as the configuration says
  plan::MachinesWanted machines;
  bool json = false;
};

struct LayoutPlan {
  plan::AssumedMachines assumed;
  train::Config config;
  plan::Prediction prediction;
  std::vector<plan::GatherCost> gathers;   // at ZeRO's stage 3
  std::string limit = "memory.limit_gib";  // its source
  bool fits = true;
};

// Sets the limit to the known device's memory if the configuration has none.
// Returns the limit's source.
std::string limit_memory(train::Config& config, const std::string& device) {
  if (config.memory.limit_gib > 0 || device.empty()) {
    return "memory.limit_gib";
  }
  config.memory.limit_gib = plan::device_named(device).memory_bytes / kGib;
  return device;
}

LayoutPlan plan_layout(const Options& options) {
  train::LoadedConfig loaded = load(options.config);
  const plan::AssumedMachines assumed = plan::assume_machines(
      options.machines, compute_type(loaded.config.precision));
  const int ranks =
      options.world > 0
          ? options.world
          : static_cast<int>(train::ranks_of(loaded.config.parallel));
  train::take_ranks(loaded, ranks);
  const std::string limit =
      limit_memory(loaded.config, options.machines.device);
  LayoutPlan plan = {.assumed = assumed,
                     .config = loaded.config,
                     .prediction = predict(loaded.config, assumed.machines()),
                     .gathers = {},
                     .limit = limit,
                     .fits = plan::fits(loaded.config)};
  if (plan.config.parallel.zero == 3) {
    plan.gathers = plan::gather_costs(plan.config, assumed.machines());
  }
  return plan;
}

ordered_json stage_json(const LayoutPlan& plan, std::size_t stage) {
  const plan::MemoryPrediction& memory = plan.prediction.memory[stage];
  const plan::StageTime& time = plan.prediction.stages[stage];
  ordered_json peak;
  for (std::size_t c = 0; c < kCategories; ++c) {
    peak[name_of(static_cast<Category>(c))] = memory.peak_bytes[c];
  }
  peak["total"] = memory.peak_total;
  return {{"stage", stage},
          {"peak_bytes", peak},
          {"high_water_bytes", memory.high_water},
          {"busy_seconds", time.busy_seconds},
          {"idle_seconds", time.idle_seconds},
          {"after_seconds", time.after_seconds},
          {"bubble", time.bubble()},
          {"gathered_bytes", time.gathered_bytes}};
}

void print_json(const LayoutPlan& plan) {
  const train::ParallelConfig& parallel = plan.config.parallel;
  ordered_json stages = ordered_json::array();
  for (std::size_t s = 0; s < plan.prediction.stages.size(); ++s) {
    stages.push_back(stage_json(plan, s));
  }
  ordered_json gathers = ordered_json::array();
  for (const plan::GatherCost& cost : plan.gathers) {
    gathers.push_back({{"gather", cost.name},
                       {"gathered_bytes", cost.gathered_bytes},
                       {"high_water_bytes", cost.high_water},
                       {"step_seconds", cost.step_seconds}});
  }
  const ordered_json facts = {
      {"ranks", train::ranks_of(parallel)},
      {"pipeline", parallel.pipeline},
      {"data", parallel.data},
      {"tensor", parallel.tensor},
      {"zero", parallel.zero},
      {"schedule", parallel::name_of(parallel.schedule)},
      {"virtual_stages", parallel.virtual_stages},
      {"micro_batches", plan::all_micro_batches(plan.config)},
      {"assumed", json_of(plan.assumed)},
      {"fits", plan.fits},
      {"step_seconds", plan.prediction.step_seconds},
      {"tokens_per_second", plan.prediction.tokens_per_second},
      {"message_seconds", plan.prediction.message_seconds},
      {"bubble", plan.prediction.bubble()},
      {"stages", stages},
      {"gathers", gathers},
  };
  put_json(facts);
}

double mib(std::size_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

void print_stages(const plan::Prediction& prediction) {
  fmt::print("{:>5}{:>14}{:>14}{:>13}{:>13}{:>13}{:>9}\n",
             "stage",
             "activations",
             "at once, MiB",
             "busy ms",
             "waits ms",
             "after ms",
             "bubble");
  for (std::size_t s = 0; s < prediction.stages.size(); ++s) {
    const plan::MemoryPrediction& memory = prediction.memory[s];
    const plan::StageTime& time = prediction.stages[s];
    const auto activations = static_cast<std::size_t>(Category::kActivations);
    fmt::print("{:>5}{:>14.2f}{:>14.2f}{:>13.3f}{:>13.3f}{:>13.3f}{:>8.1f}%\n",
               s,
               mib(memory.peak_bytes[activations]),
               mib(memory.high_water),
               1e3 * time.busy_seconds,
               1e3 * time.idle_seconds,
               1e3 * time.after_seconds,
               100 * time.bubble());
  }
}

void print_gathers(const std::vector<plan::GatherCost>& gathers) {
  fmt::print("\n{:<28}{:>14}{:>14}{:>13}\n",
             "ZeRO 3, parallel.gather",
             "gathered MiB",
             "at once, MiB",
             "step ms");
  for (const plan::GatherCost& cost : gathers) {
    fmt::print("{:<28}{:>14.2f}{:>14.2f}{:>13.3f}\n",
               cost.name,
               mib(cost.gathered_bytes),
               mib(cost.high_water),
               1e3 * cost.step_seconds);
  }
}

void print_table(const LayoutPlan& plan) {
  const train::ParallelConfig& parallel = plan.config.parallel;
  fmt::print(
      "{} ranks = pipeline {} x data {} x tensor {}, {}, zero {}: {} "
      "micro-batches of {} x {} tokens\n\n",
      train::ranks_of(parallel),
      parallel.pipeline,
      parallel.data,
      parallel.tensor,
      parallel::name_of(parallel.schedule),
      parallel.zero,
      plan::all_micro_batches(plan.config),
      plan.config.train.micro_batch,
      plan.config.data.sequence);
  fmt::print("{}\n", text_of(plan.assumed));
  print_stages(plan.prediction);
  fmt::print("\nstep {:.3f} ms, {:.4g} tokens/s, bubble {:.1f} %\n",
             1e3 * plan.prediction.step_seconds,
             plan.prediction.tokens_per_second,
             100 * plan.prediction.bubble());
  if (plan.config.memory.limit_gib > 0) {
    fmt::print("a rank may have {:.6g} GiB ({}): {}\n",
               plan.config.memory.limit_gib,
               plan.limit,
               plan.fits ? "fits" : "does not fit; dure train says what would");
  }
  if (!plan.gathers.empty()) {
    print_gathers(plan.gathers);
  }
}

}  // namespace

void add_plan_layout(CLI::App& plan) {
  auto options = std::make_shared<Options>();
  CLI::App* command = plan.add_subcommand(
      "layout", "Memory, time and bubble of each stage, before it runs");
  add_config_options(*command, options->config, ConfigFile::kOptional);
  command
      ->add_option("--world",
                   options->world,
                   "Ranks in all; else as many as the configuration says")
      ->check(CLI::Range(1, mesh::kMostRanks).description("POSITIVE"));
  add_machine_options(*command, options->machines);
  command->add_flag("--json", options->json, "Print the facts as JSON");
  command->footer(
      "The real step of one rank of each stage runs on a simulated device:\n"
      "memory is the run's, to the byte; time is a roofline's. A stage is\n"
      "busy in its forwards and backwards, with what its data and tensor\n"
      "ranks say in them, and waits for other stages in between; after that\n"
      "come sums of gradients that are left, the norm and the optimizer.\n"
      "With ZeRO 3, what either parallel.gather costs the worst stage.\n"
      "\n"
      "What is assumed of the machines is printed with it, and where it\n"
      "comes from. --device takes rates, a usual node and memory.limit_gib\n"
      "from a table of published peaks, of which --reach is reached; other\n"
      "options go over it. Tensors have [precision]'s types, whatever "
      "--products\n"
      "says; without it products are in precision.compute.\n"
      "\n"
      "--json prints ranks, pipeline, data, tensor, zero, schedule,\n"
      "virtual_stages, micro_batches, assumed (flops, memory_bytes,\n"
      "node_link_bytes, link_bytes: each per_second and source; node_ranks),\n"
      "fits (memory.limit_gib: true without one), step_seconds,\n"
      "tokens_per_second, message_seconds, bubble (the mean of the stages'),\n"
      "stages (a list of stage, peak_bytes by category and total,\n"
      "high_water_bytes, busy_seconds, idle_seconds, after_seconds, bubble,\n"
      "gathered_bytes: of weights, a step) and gathers (gather,\n"
      "gathered_bytes, high_water_bytes, step_seconds; empty without ZeRO 3).\n"
      "\n"
      "Examples:\n"
      "  dure plan layout run.toml --world 8\n"
      "  dure plan layout run.toml --device h100-sxm --products tf32\n"
      "  dure plan layout --preset gpt2-124m --set parallel.pipeline=4 --json");
  command->callback([options] {
    if (options->config.path.empty() && options->config.preset.empty() &&
        options->config.sets.empty()) {
      throw UsageError("wanted CONFIG, --preset or --set, got none of them");
    }
    const LayoutPlan planned = plan_layout(*options);
    if (options->json) {
      print_json(planned);
    } else {
      print_table(planned);
    }
  });
}

}  // namespace dure::cli
