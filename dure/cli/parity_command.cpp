// `dure parity`: a configuration's layout beside one rank, step by step.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/log.h"
#include "dure/base/progress.h"
#include "dure/cli/commands.h"
#include "dure/cli/config_options.h"
#include "dure/cli/parity_output.h"
#include "dure/cli/rank_options.h"
#include "dure/config/load_config.h"
#include "dure/config/ramp_up.h"
#include "dure/data/build_datasets.h"
#include "dure/launch/environment.h"
#include "dure/parity/configs.h"

namespace dure::cli {
namespace {

using train::Config;

struct Options {
  ConfigOptions layout;
  ConfigOptions against;
  int ranks = 0;  // 0: as many as the configuration says
  std::int64_t steps = 3;
  bool json = false;
};

// Sums that nobody asked to be fast are ranked: then bits can be compared.
void rank_sums(train::LoadedConfig& loaded) {
  if (loaded.origins["parallel.sums"] == "default") {
    loaded.config.parallel.sums = comm::SumOrder::kRanked;
  }
}

Config load_layout(const Options& options) {
  train::LoadedConfig loaded = load(options.layout);
  train::take_ranks(
      loaded, options.ranks > 0 ? options.ranks : ranks_in(loaded.config));
  rank_sums(loaded);
  return loaded.config;
}

// Micro-batches that nobody gave a size are those of the layout.
Config load_reference(const Options& options, const Config& layout) {
  train::LoadedConfig loaded = load(options.against);
  if (loaded.origins["train.micro_batch"] == "auto") {
    loaded.config.train.micro_batch = layout.train.micro_batch;
    loaded.origins["train.micro_batch"] = "that of the layout";
  }
  train::take_ranks(loaded, ranks_in(loaded.config));
  rank_sums(loaded);
  return loaded.config;
}

void check_device(const Config& config) {
  if (config.train.device == Device::kSim) {
    throw UsageError(
        "train.device: wanted \"cpu\" or \"cuda\", which hold numbers to be "
        "compared; got \"sim\"");
  }
}

void check_steps(const Options& options, const Config& layout) {
  if (options.steps > layout.train.steps) {
    throw UsageError(
        "--steps: wanted at most train.steps, {}, for which there "
        "are samples; got {}",
        layout.train.steps,
        options.steps);
  }
}

ParitySides load_sides(const Options& options) {
  ParitySides sides;
  sides.steps = options.steps;
  sides.layout = load_layout(options);
  check_steps(options, sides.layout);
  const bool alone = options.against.path.empty();
  if (alone && ranks_in(sides.layout) == 1 &&
      sides.layout.train.device == Device::kCpu) {
    throw UsageError(
        "the configuration's layout is one rank of the CPU, which is what a "
        "layout is compared with: wanted more ranks, by --ranks or in "
        "[parallel], train.device = \"cuda\", or --against another "
        "configuration");
  }
  sides.reference = alone ? train::one_rank_of(sides.layout)
                          : load_reference(options, sides.layout);
  check_device(sides.layout);
  check_device(sides.reference);
  train::expect_comparable(sides.layout, sides.reference);
  return sides;
}

// Ranks are threads here; and processes that each compared for themselves would
// say the same thing several times.
void refuse_processes() {
  const auto launcher = launch::launcher_of(environment());
  if (!launcher || launcher->world == 1) {
    return;
  }
  launch::LaunchOptions options;
  options.failure = std::make_exception_ptr(
      UsageError("dure parity runs all ranks as threads of one process, but "
                 "{} has started several: start it by hand, with --ranks",
                 launcher->name));
  on_ranks(options, [](comm::Communicator&) {});
}

data::Datasets open_data(const Config& config, const Log& log) {
  data::Datasets data = data::build_datasets(
      config.data,
      {.samples = {.train = train::samples_of_run(config.train)},
       .seed = static_cast<std::uint64_t>(config.train.seed),
       .vocabulary = config.model.vocabulary,
       .log = &log});
  if (data.train == nullptr) {
    throw UsageError(
        "no training data: set data.train to a prefix that `dure preprocess` "
        "wrote");
  }
  return data;
}

comm::Options comm_of(const Config& config) {
  comm::Options comm;
  comm.timeout_seconds = config.comm.timeout;
  if (config.comm.check) {
    comm.check = comm::Check::kOn;
  }
  comm.say = [](const std::string& text) { Log().info(text); };
  return comm;
}

[[noreturn]] void end_stuck(const std::string& text) {
  std::fprintf(stderr, "error: %s\n", text.c_str());
  std::_Exit(kExitFailed);
}

train::ParityReport compare(const Options& options, const ParitySides& sides) {
  const Log log;
  const data::Datasets data = open_data(sides.layout, log);
  if (!options.json) {
    print_head(sides);
  }
  // Where no line a step is printed.
  std::optional<Progress> progress;
  if (options.json) {
    progress.emplace("parity", static_cast<std::uint64_t>(options.steps));
  }
  train::ParityReport report = train::run_parity(
      {.layout = sides.layout,
       .reference = sides.reference,
       .dataset = data.train.get(),
       .steps = options.steps,
       .comm = comm_of(sides.layout),
       .log = log,
       .on_step =
           [&](const train::ParityStep& step) {
             if (!progress) {
               return print_step(step);
             }
             progress->update(static_cast<std::uint64_t>(step.step),
                              fmt::format("loss {:.4f}", step.loss));
           },
       .on_stuck = end_stuck});
  if (progress) {
    progress->finish(report.difference ? "differs" : "agrees");
  }
  return report;
}

void parity(const Options& options) {
  refuse_processes();
  const ParitySides sides = load_sides(options);
  const train::ParityReport report = compare(options, sides);
  if (options.json) {
    print_json(sides, report);
  } else {
    print_end(report);
  }
  DURE_CHECK(!report.difference,
             "{}. Layouts of fewer axes tell which one it comes from",
             describe(*report.difference));
}

}  // namespace

void add_parity(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "parity",
      "Compares a configuration's layout with one rank, step by step");
  add_config_options(*command, options->layout, ConfigFile::kRequired);
  command
      ->add_option("--ranks",
                   options->ranks,
                   "Ranks of the layout; without it as many as [parallel] says")
      ->check(CLI::Range(1, 1024));
  command->add_option("--steps", options->steps, "Steps of training to compare")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI::Option* against =
      command->add_option("--against",
                          options->against.path,
                          "Another configuration of the same training, to be "
                          "compared with instead");
  against->type_name("CONFIG");
  command
      ->add_option("--against-set",
                   options->against.sets,
                   "section.key=value, over that file's")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->needs(against);
  command->add_flag("--json", options->json, "Print the facts as JSON");
  command->footer(
      "All ranks of both sides are threads of this process, and train from "
      "the\n"
      "first step on: same samples, seed, batch and micro-batches. After each\n"
      "step losses, norms, every gradient and every weight are compared, and\n"
      "after the last one the loss of an evaluation of the first batch. The\n"
      "first difference beyond the bound that docs/numerics.md gives ends it,\n"
      "with exit code 1. Where it gives none, the figure is printed alone.\n"
      "parallel.sums is \"ranked\" unless the configuration says \"fast\".\n"
      "\n"
      "Columns: d is the difference, relative to the reference's number; of\n"
      "gradients and weights the worst element's, relative to the largest of\n"
      "its tensor.\n"
      "\n"
      "--json prints agrees; layout and reference (each ranks, pipeline, "
      "data,\n"
      "tensor, sequence, zero, zero_group, schedule, virtual_stages, sums,\n"
      "micro_batch); bounds (rule, when, reason, steps: a list of loss,\n"
      "gradient, norm, weight, evaluation, 0 being every bit and null none);\n"
      "weights and elements, which are compared after each step; steps (a "
      "list\n"
      "of step, loss, reference_loss, loss_difference, norm, reference_norm,\n"
      "norm_difference, gradient_difference, worst_gradient,\n"
      "weight_difference, worst_weight: names, empty where none differs);\n"
      "evaluation and reference_evaluation (null where a step differs);\n"
      "difference (null, or step, quantity, weight, element, index, rank,\n"
      "value, reference_value, scale, bound; of numbers weight, element and\n"
      "index are null).\n"
      "\n"
      "Examples:\n"
      "  dure parity examples/first_run.toml --ranks 4 --set parallel.zero=2\n"
      "  dure parity run.toml --ranks 8 --steps 20 --json\n"
      "  dure parity run.toml --ranks 4 --set parallel.tensor=2 \\\n"
      "    --against run.toml --against-set parallel.tensor=2");
  command->callback([options] { parity(*options); });
}

}  // namespace dure::cli
