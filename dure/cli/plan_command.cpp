// `dure plan`: what a configuration will take, before anything runs.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/cli/commands.h"
#include "dure/cli/config_options.h"
#include "dure/cli/output.h"
#include "dure/config/load_config.h"
#include "dure/model/count.h"
#include "dure/model/flops.h"
#include "dure/plan/predict.h"
#include "dure/plan/saving.h"
#include "dure/plan/stage_plan.h"

namespace dure::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  ConfigOptions config;
  int world = 0;  // 0: as many as parallel.data says, or one
  bool json = false;
};

// A plan for one of ZeRO's stages.
struct StagePlan {
  std::int64_t zero = 0;
  plan::MemoryPrediction memory;
  std::int64_t saving = 0;  // of the rank that holds the most while it saves
};

struct ModelPlan {
  std::string name;
  model::Count count;
  std::vector<std::int64_t> weights;  // elements held, by rank
  std::vector<plan::PipelineStage> pipeline;
  std::int64_t replicas = 1;      // ranks that share a batch
  StagePlan step;                 // as configured
  std::vector<StagePlan> stages;  // 0 to 3, where ranks share a batch
  double flops_per_token = 0;
  std::int64_t micro_batch = 0;
  std::int64_t sequence = 0;
};

StagePlan plan_stage(train::Config config, std::int64_t zero) {
  config.parallel.zero = zero;
  const std::vector<plan::MemoryPrediction> stages =
      plan::predict_stage_memory(config);
  StagePlan plan = {.zero = zero,
                    .memory = stages[plan::largest_stage(stages)]};
  for (std::size_t s = 0; s < stages.size(); ++s) {
    plan.saving = std::max(
        plan.saving,
        static_cast<std::int64_t>(plan::peak_while_saving(config, stages, s)));
  }
  return plan;
}

ModelPlan plan_model(const train::Config& config) {
  ModelPlan plan;
  plan.name = config.model.preset;
  const auto ranks = static_cast<int>(train::ranks_of(config.parallel));
  plan.count = model::count(
      config.model, mesh::Place(train::mesh_of(config.parallel, ranks), 0));
  plan.weights = plan::weights_by_rank(config);
  plan.pipeline = plan::plan_stages(config);
  plan.replicas = train::ranks_of(config.parallel, mesh::kReplicas);
  plan.step = plan_stage(config, config.parallel.zero);
  for (std::int64_t zero = 0; plan.replicas > 1 && zero <= 3; ++zero) {
    plan.stages.push_back(plan_stage(config, zero));
  }
  plan.micro_batch = config.train.micro_batch;
  plan.sequence = config.data.sequence;
  plan.flops_per_token = model::flops_per_token(config.model, plan.sequence);
  return plan;
}

std::vector<std::pair<std::string, std::int64_t>> parts(
    const model::Count& count) {
  const std::pair<model::WeightKind, const char*> names[] = {
      {model::WeightKind::kEmbedding, "embedding"},
      {model::WeightKind::kAttention, "attention"},
      {model::WeightKind::kMlp, "mlp"},
      {model::WeightKind::kNorm, "norm"},
      {model::WeightKind::kHead, "head"},
  };
  std::vector<std::pair<std::string, std::int64_t>> result;
  for (const auto& [part, name] : names) {
    const auto found = count.parts.find(part);
    result.emplace_back(name, found == count.parts.end() ? 0 : found->second);
  }
  return result;
}

// The peaks by category, and last the peak of all together.
std::vector<std::pair<std::string, std::int64_t>> peak_bytes(
    const plan::MemoryPrediction& memory) {
  std::vector<std::pair<std::string, std::int64_t>> result;
  for (std::size_t c = 0; c < kCategories; ++c) {
    result.emplace_back(name_of(static_cast<Category>(c)),
                        static_cast<std::int64_t>(memory.peak_bytes[c]));
  }
  result.emplace_back("total", static_cast<std::int64_t>(memory.peak_total));
  return result;
}

ordered_json peak_json(const plan::MemoryPrediction& memory) {
  ordered_json peak;
  for (const auto& [name, bytes] : peak_bytes(memory)) {
    peak[name] = bytes;
  }
  return peak;
}

ordered_json pipeline_json(const ModelPlan& plan) {
  ordered_json stages = ordered_json::array();
  for (const plan::PipelineStage& stage : plan.pipeline) {
    stages.push_back({{"rank", stage.rank},
                      {"chunk", stage.chunk},
                      {"layers", {stage.layers.first, stage.layers.last}},
                      {"units", {stage.units.first, stage.units.last}},
                      {"parameters", stage.parameters},
                      {"flops_share", stage.flops_share}});
  }
  return stages;
}

void print_json(const ModelPlan& plan) {
  ordered_json by_part;
  for (const auto& [name, parameters] : parts(plan.count)) {
    by_part[name] = parameters;
  }
  ordered_json by_stage = ordered_json::array();
  for (const StagePlan& stage : plan.stages) {
    by_stage.push_back(
        {{"zero", stage.zero}, {"peak_bytes", peak_json(stage.memory)}});
  }
  const ordered_json facts = {
      {"preset", plan.name},
      {"parameters", plan.count.published},
      {"parameters_padded", plan.count.padded},
      {"parameters_per_rank", plan.weights},
      {"pipeline", pipeline_json(plan)},
      {"parameters_per_block", plan.count.block},
      {"parameters_by_part", by_part},
      {"ranks", plan.weights.size()},
      {"replicas", plan.replicas},
      {"zero", plan.step.zero},
      {"peak_bytes", peak_json(plan.step.memory)},
      {"peak_bytes_by_zero", by_stage},
      {"saving_bytes", plan.step.saving},
      {"micro_batch", plan.micro_batch},
      {"sequence", plan.sequence},
      {"flops_per_token", plan.flops_per_token},
  };
  put_json(facts);
}

// 1234567 becomes 1,234,567.
std::string grouped(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t i = digits.size(); i > 3; i -= 3) {
    digits.insert(i - 3, 1, ',');
  }
  return digits;
}

void print_count(const std::string& name, std::int64_t value) {
  fmt::print("{:<26}{:>20}\n", name, grouped(value));
}

// The unit in which bytes are shown, with two decimals.
struct Unit {
  const char* name;
  double bytes;

  double of(std::int64_t count) const {
    return static_cast<double>(count) / bytes;
  }
};

Unit unit_for(std::int64_t most) {
  return most < 1 << 30 ? Unit{"MiB", 1 << 20} : Unit{"GiB", 1 << 30};
}

void print_bytes(const std::string& name, std::int64_t bytes, Unit unit) {
  fmt::print("  {:<24}{:>20}{:>12.2f} {}\n",
             name,
             grouped(bytes),
             unit.of(bytes),
             unit.name);
}

void print_peaks(const StagePlan& plan) {
  const auto peaks = peak_bytes(plan.memory);
  const Unit unit = unit_for(peaks.back().second);
  for (const auto& [name, bytes] : peaks) {
    print_bytes(name, bytes, unit);
  }
  if (plan.saving > peaks.back().second) {
    print_bytes("while it saves, at most", plan.saving, unit);
  }
}

void print_stages(const ModelPlan& plan) {
  const Unit unit = unit_for(peak_bytes(plan.stages[0].memory).back().second);
  fmt::print("\nZeRO on {} ranks that share a batch, peak {} of each\n  {:<24}",
             plan.replicas,
             unit.name,
             "zero");
  for (const StagePlan& stage : plan.stages) {
    fmt::print("{:>10}", stage.zero);
  }
  for (std::size_t row = 0; row <= kCategories; ++row) {
    fmt::print("\n  {:<24}", peak_bytes(plan.step.memory)[row].first);
    for (const StagePlan& stage : plan.stages) {
      fmt::print("{:>10.2f}", unit.of(peak_bytes(stage.memory)[row].second));
    }
  }
  fmt::print("\n");
}

// "4 to 6", or "13".
std::string range_text(std::int64_t first, std::int64_t last) {
  return last - first == 1 ? std::to_string(first)
                           : fmt::format("{} to {}", first, last - 1);
}

void print_pipeline(const ModelPlan& plan) {
  fmt::print("\n{:<8}{:>6}{:>8}{:>12}{:>12}{:>20}{:>10}\n",
             "stage",
             "rank",
             "chunk",
             "layers",
             "units",
             "parameters",
             "flops");
  std::size_t number = 0;
  for (const plan::PipelineStage& stage : plan.pipeline) {
    fmt::print("{:<8}{:>6}{:>8}{:>12}{:>12}{:>20}{:>9.1f}%\n",
               number++,
               stage.rank,
               stage.chunk,
               range_text(stage.layers.first, stage.layers.last),
               range_text(stage.units.first, stage.units.last),
               grouped(stage.parameters),
               100 * stage.flops_share);
  }
}

void print_table(const ModelPlan& plan) {
  print_count("parameters", plan.count.published);
  for (const auto& [name, parameters] : parts(plan.count)) {
    print_count(fmt::format("  {}", name), parameters);
  }
  print_count("  one block", plan.count.block);
  print_count("parameters, padded", plan.count.padded);
  print_count("parameters per rank",
              *std::max_element(plan.weights.begin(), plan.weights.end()));
  if (plan.pipeline.size() > 1) {
    print_pipeline(plan);
  }
  fmt::print("\n");
  fmt::print("peak bytes of a training step, {} x {} at once, zero {}\n",
             plan.micro_batch,
             plan.sequence,
             plan.step.zero);
  print_peaks(plan.step);
  if (!plan.stages.empty()) {
    print_stages(plan);
  }
  fmt::print("\n{:<26}{:>20.4g}  at {} tokens a sample\n",
             "flops per token",
             plan.flops_per_token,
             plan.sequence);
}

void run_plan_model(const Options& options) {
  if (options.config.path.empty() && options.config.preset.empty() &&
      options.config.sets.empty()) {
    throw UsageError("wanted CONFIG, --preset or --set, got none of them");
  }
  train::LoadedConfig loaded = load(options.config);
  train::take_ranks(
      loaded,
      options.world > 0
          ? options.world
          : static_cast<int>(train::ranks_of(loaded.config.parallel)));
  const ModelPlan plan = plan_model(loaded.config);
  if (options.json) {
    print_json(plan);
  } else {
    print_table(plan);
  }
}

void add_plan_model(CLI::App& plan) {
  auto options = std::make_shared<Options>();
  CLI::App* command = plan.add_subcommand(
      "model", "Parameters, their memory, and the arithmetic of a token");
  add_config_options(*command, options->config, ConfigFile::kOptional);
  command
      ->add_option("--world",
                   options->world,
                   "Ranks in all; else as many as the configuration says")
      ->check(CLI::Range(1, mesh::kMostRanks).description("POSITIVE"));
  command->add_flag("--json", options->json, "Print the facts as JSON");
  command->footer(
      "parameters counts tied weights once and no padding; a rank holds the\n"
      "padded vocabulary. Peak bytes are those of the training step itself,\n"
      "run on a simulated device: in fp32 4 a parameter for its value, 4 for\n"
      "its gradient, 8 for AdamW's two means, in other types what\n"
      "docs/precision.md says; and what the passes need. They are those of "
      "the\n"
      "rank that needs the most, of a pipeline too. Where ranks share a "
      "batch,\n"
      "those of each of ZeRO's stages are shown. Rank 0 saves what others\n"
      "hold, in pieces; it is said if that may take more than a step.\n"
      "Flops of a token, forward and backward, in a sequence of S:\n"
      "6 P + 6 L H D (S + 1), with P the weights of matrix products, L layers\n"
      "and H heads of D.\n"
      "Of a pipeline, what parallel.split gives each stage: layers count the\n"
      "embedding, the blocks and the head with the final norm before it; "
      "units\n"
      "count that norm on its own; parameters are of all tensor ranks, "
      "without\n"
      "padding, a tied embedding's on both ends.\n"
      "\n"
      "--json prints preset, parameters, parameters_padded,\n"
      "parameters_per_rank (a list, by rank: held between steps), pipeline (a\n"
      "list of rank, chunk, layers, units, both [first, behind the last],\n"
      "parameters and flops_share, in the order of the forward pass),\n"
      "parameters_per_block, parameters_by_part (embedding, attention, mlp,\n"
      "norm, head), ranks, replicas (of them, that share a batch), zero,\n"
      "peak_bytes (the ledger's categories and total), peak_bytes_by_zero (a\n"
      "list of zero and peak_bytes, for stages 0 to 3; empty for one "
      "replica),\n"
      "saving_bytes (at most, while it saves), micro_batch, sequence and\n"
      "flops_per_token.\n"
      "\n"
      "Examples:\n"
      "  dure plan model run.toml --world 4\n"
      "  dure plan model --preset gpt2-124m --set model.layers=24 --json");
  command->callback([options] { run_plan_model(*options); });
}

}  // namespace

void add_plan(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "plan", "What a configuration will take, before anything runs");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n"
      "  dure plan model --preset gpt2-124m\n"
      "  dure plan schedule --stages 4 --micro-batches 8");
  add_plan_model(*command);
  add_plan_layout(*command);
  add_plan_devices(*command);
  add_plan_profile(*command);
  add_plan_schedule(*command);
}

}  // namespace dure::cli
