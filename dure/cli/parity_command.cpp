// `dure parity`: a configuration's layout beside one rank, step by step.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/log.h"
#include "dure/base/progress.h"
#include "dure/cli/commands.h"
#include "dure/cli/config_options.h"
#include "dure/cli/output.h"
#include "dure/cli/rank_options.h"
#include "dure/data/build_datasets.h"
#include "dure/launch/environment.h"
#include "dure/train/load_config.h"
#include "dure/train/parity.h"
#include "dure/train/ramp_up.h"

namespace dure::cli {
namespace {

using nlohmann::ordered_json;
using train::Config;
using train::Quantity;

struct Options {
  ConfigOptions layout;
  ConfigOptions against;
  int ranks = 0;  // 0: as many as the configuration says
  std::int64_t steps = 3;
  bool json = false;
};

// Two layouts of one training.
struct Sides {
  Config layout;
  Config reference;
};

int ranks_in(const Config& config) {
  return static_cast<int>(train::ranks_of(config.parallel));
}

// Sums that nobody asked to be fast are ranked: then bits can be compared.
void rank_sums(train::LoadedConfig& loaded) {
  if (loaded.origins["parallel.sums"] == "default") {
    loaded.config.parallel.sums = train::Sums::kRanked;
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
  if (config.train.device != Device::kCpu) {
    throw UsageError(
        "train.device: wanted \"cpu\", whose ranks can be threads of one "
        "process and hold numbers to be compared; got another");
  }
}

void check_steps(const Options& options, const Config& layout) {
  if (options.steps > layout.train.steps) {
    throw UsageError(concat("--steps: wanted at most train.steps, ",
                            layout.train.steps,
                            ", for which there are samples; got ",
                            options.steps));
  }
}

Sides load_sides(const Options& options) {
  Sides sides;
  sides.layout = load_layout(options);
  check_steps(options, sides.layout);
  const bool alone = options.against.path.empty();
  if (alone && ranks_in(sides.layout) == 1) {
    throw UsageError(
        "the configuration's layout is one rank, which is what a layout is "
        "compared with: wanted more ranks, by --ranks or in [parallel], or "
        "--against another configuration");
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
  launch::RankOptions options;
  options.failure = std::make_exception_ptr(UsageError(
      concat("dure parity runs all ranks as threads of one process, but ",
             launcher->name,
             " has started several: start it by hand, with --ranks")));
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

const char* name_of(train::Sums sums) {
  return sums == train::Sums::kRanked ? "ranked" : "fast";
}

std::string text_of(const Config& config) {
  const train::ParallelConfig& parallel = config.parallel;
  const int ranks = ranks_in(config);
  return fmt::format(
      "{} rank{} = pipeline {} x data {} x tensor {}{}, {}, zero {}{}, {} "
      "sums, micro-batches of {} x {} tokens",
      ranks,
      ranks == 1 ? "" : "s",
      parallel.pipeline,
      parallel.data,
      parallel.tensor,
      parallel.sequence ? " (rows cut)" : "",
      parallel::name_of(parallel.schedule),
      parallel.zero,
      parallel.zero_group > 0
          ? fmt::format(" in groups of {}", parallel.zero_group)
          : "",
      name_of(parallel.sums),
      config.train.micro_batch,
      config.data.sequence);
}

// Of a step, all quantities.
std::string bounds_text(const train::ParityRule& rule, std::int64_t step) {
  std::string text;
  for (int q = 0; q < train::kQuantities; ++q) {
    const auto quantity = static_cast<Quantity>(q);
    text += fmt::format("{}{} {}",
                        text.empty() ? "" : ", ",
                        train::name_of(quantity),
                        train::text_of(rule.bound(quantity, step)));
  }
  return text;
}

void print_bounds(const train::ParityRule& rule, std::int64_t steps) {
  fmt::print("\nheld to docs/numerics.md's bounds for {}:\n{}.\n",
             rule.when,
             rule.reason);
  if (rule.steps == 0 && rule.first == rule.later) {
    fmt::print("  every step  {}\n", bounds_text(rule, 1));
    return;
  }
  fmt::print("  step 1      {}\n", bounds_text(rule, 1));
  if (steps > 1) {
    fmt::print("  later ones  {}\n", bounds_text(rule, 2));
  }
  if (rule.steps > 0 && steps > rule.steps) {
    fmt::print("  after {:<4}  none: there is no bound for as many steps\n",
               rule.steps);
  }
}

void print_head(const Options& options, const Sides& sides) {
  const int ranks = ranks_in(sides.layout);
  fmt::print(
      "layout      {}\nreference   {}; messages count its ranks from {}\n",
      text_of(sides.layout),
      text_of(sides.reference),
      ranks);
  print_bounds(train::rule_of(sides.layout, sides.reference), options.steps);
  fmt::print("\n{:>5}{:>13}{:>13}{:>11}{:>11}{:>11}{:>11}\n",
             "step",
             "loss",
             "norm",
             "d loss",
             "d norm",
             "d gradient",
             "d weight");
  std::fflush(stdout);
}

// Relative; nothing where it was not compared.
std::string share_text(double share, bool is_there = true) {
  if (!is_there) {
    return "-";
  }
  return share == 0 ? "0" : fmt::format("{:.1e}", share);
}

void print_step(const train::ParityStep& step) {
  put(fmt::format("{:>5}{:>13.6f}{:>13.6f}{:>11}{:>11}{:>11}{:>11}\n",
                  step.step,
                  step.loss,
                  step.norm,
                  share_text(step.loss_difference),
                  share_text(step.norm_difference),
                  share_text(step.gradient_difference, step.has_elements),
                  share_text(step.weight_difference, step.has_elements)));
}

void print_end(const train::ParityReport& report) {
  if (report.difference) {
    return;  // the error says it
  }
  const train::ParityStep& last = report.steps.back();
  fmt::print("\nevaluation  {:.6f}, the reference's {:.6f}\n",
             report.evaluation,
             report.reference_evaluation);
  for (const auto& [what, name] : {std::pair{"gradient", &last.worst_gradient},
                                   {"weight", &last.worst_weight}}) {
    if (!name->empty()) {
      fmt::print("the {} that is farthest after step {} is {}\n",
                 what,
                 last.step,
                 *name);
    }
  }
  fmt::print(
      "agrees: {} step{}, and {} weights and gradients of {} elements after "
      "each\n",
      report.steps.size(),
      report.steps.size() == 1 ? "" : "s",
      report.weights,
      report.elements);
}

// JSON has no infinity: null.
ordered_json json_of(train::Bound bound) {
  return bound ? ordered_json(*bound) : ordered_json();
}

ordered_json json_of(const Config& config) {
  const train::ParallelConfig& parallel = config.parallel;
  return {{"ranks", ranks_in(config)},
          {"pipeline", parallel.pipeline},
          {"data", parallel.data},
          {"tensor", parallel.tensor},
          {"sequence", parallel.sequence},
          {"zero", parallel.zero},
          {"zero_group", parallel.zero_group},
          {"schedule", parallel::name_of(parallel.schedule)},
          {"virtual_stages", parallel.virtual_stages},
          {"sums", name_of(parallel.sums)},
          {"micro_batch", config.train.micro_batch}};
}

ordered_json json_of(const train::ParityRule& rule, const Options& options) {
  ordered_json steps = ordered_json::array();
  for (std::int64_t step = 1; step <= options.steps; ++step) {
    ordered_json bounds;
    for (int q = 0; q < train::kQuantities; ++q) {
      const auto quantity = static_cast<Quantity>(q);
      bounds[train::name_of(quantity)] = json_of(rule.bound(quantity, step));
    }
    steps.push_back(bounds);
  }
  return {{"rule", rule.name},
          {"when", rule.when},
          {"reason", rule.reason},
          {"steps", steps}};
}

ordered_json json_of(const train::ParityStep& step) {
  const auto elements = [&](double difference) {
    return step.has_elements ? ordered_json(difference) : ordered_json();
  };
  return {{"step", step.step},
          {"loss", step.loss},
          {"reference_loss", step.reference_loss},
          {"loss_difference", step.loss_difference},
          {"norm", step.norm},
          {"reference_norm", step.reference_norm},
          {"norm_difference", step.norm_difference},
          {"gradient_difference", elements(step.gradient_difference)},
          {"worst_gradient", step.worst_gradient},
          {"weight_difference", elements(step.weight_difference)},
          {"worst_weight", step.worst_weight}};
}

ordered_json json_of(const std::optional<train::ParityDifference>& found) {
  if (!found) {
    return {};
  }
  const bool is_element = !found->weight.empty();
  return {
      {"step", found->step},
      {"quantity", train::name_of(found->quantity)},
      {"weight", is_element ? ordered_json(found->weight) : ordered_json()},
      {"element", is_element ? ordered_json(found->element) : ordered_json()},
      {"index", is_element ? ordered_json(found->index) : ordered_json()},
      {"rank", found->rank},
      {"value", found->here},
      {"reference_value", found->reference},
      {"scale", found->scale},
      {"bound", found->bound}};
}

void print_json(const Options& options,
                const Sides& sides,
                const train::ParityReport& report) {
  ordered_json steps = ordered_json::array();
  for (const train::ParityStep& step : report.steps) {
    steps.push_back(json_of(step));
  }
  const bool agrees = !report.difference.has_value();
  const auto evaluated = [&](double loss) {
    return agrees ? ordered_json(loss) : ordered_json();
  };
  put_json({{"agrees", agrees},
            {"layout", json_of(sides.layout)},
            {"reference", json_of(sides.reference)},
            {"bounds", json_of(*report.rule, options)},
            {"weights", report.weights},
            {"elements", report.elements},
            {"steps", steps},
            {"evaluation", evaluated(report.evaluation)},
            {"reference_evaluation", evaluated(report.reference_evaluation)},
            {"difference", json_of(report.difference)}});
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

train::ParityReport compare(const Options& options, const Sides& sides) {
  const Log log;
  const data::Datasets data = open_data(sides.layout, log);
  if (!options.json) {
    print_head(options, sides);
  }
  Progress progress("parity", static_cast<std::uint64_t>(options.steps));
  train::ParityReport report = train::run_parity(
      {.layout = sides.layout,
       .reference = sides.reference,
       .dataset = data.train.get(),
       .steps = options.steps,
       .comm = comm_of(sides.layout),
       .log = log,
       .on_step =
           [&](const train::ParityStep& step) {
             if (!options.json) {
               print_step(step);
             }
             progress.update(static_cast<std::uint64_t>(step.step),
                             fmt::format("loss {:.4f}", step.loss));
           },
       .on_stuck = end_stuck});
  progress.finish(report.difference ? "differs" : "agrees");
  return report;
}

void parity(const Options& options) {
  refuse_processes();
  const Sides sides = load_sides(options);
  const train::ParityReport report = compare(options, sides);
  if (options.json) {
    print_json(options, sides, report);
  } else {
    print_end(report);
  }
  DURE_CHECK(!report.difference,
             describe(*report.difference),
             ". Layouts of fewer axes tell which one it comes from");
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
