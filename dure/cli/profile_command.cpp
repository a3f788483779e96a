// `dure plan profile`: measures the time of each layer of a model on this
// machine.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <string>

#include "dure/base/files.h"
#include "dure/cli/commands.h"
#include "dure/cli/config_options.h"
#include "dure/cli/output.h"
#include "dure/model/stage_split.h"
#include "dure/plan/measure_profile.h"

namespace dure::cli {
namespace {

struct Options {
  ConfigOptions config;
  std::string out;
  int rounds = 5;
  double link = 0;  // GB/s; 0: measured
  bool json = false;
};

void print_row(const char* type,
               std::int64_t count,
               const model::LayerProfile& layer) {
  fmt::print("{:<12}{:>8}{:>16.3f}{:>16.3f}{:>14.2f}{:>14.2f}\n",
             type,
             count,
             1e3 * layer.forward_seconds,
             1e3 * layer.backward_seconds,
             layer.output_bytes / (1 << 20),
             layer.weight_bytes / (1 << 20));
}

void print_table(const train::ProfileFile& file, const std::string& path) {
  const auto& layers = file.profile.layers;
  fmt::print("{:<12}{:>8}{:>16}{:>16}{:>14}{:>14}\n",
             "layers",
             "number",
             "forward ms",
             "backward ms",
             "output MiB",
             "weights MiB");
  print_row("embedding", 1, layers.front());
  print_row("block", file.model.layers, layers[1]);
  print_row("head", 1, layers.back());
  fmt::print(
      "\n{} x {} at once, threads {}, between stages {:.2f} GB/s; wrote {}\n",
      file.micro_batch,
      file.sequence,
      file.threads,
      file.profile.link_bytes_per_second / 1e9,
      path);
}

void run_plan_profile(const Options& options) {
  refuse_own_input("--out", options.out, {options.config.path});
  const train::LoadedConfig loaded = load(options.config);
  AtomicFile out(options.out);  // first, as it may not be writable
  const train::ProfileFile file = plan::measure_profile(
      loaded.config,
      {.rounds = options.rounds, .link_bytes_per_second = options.link * 1e9});
  const std::string json = to_json(file);
  out.write(json);
  out.commit();
  if (options.json) {
    fmt::print("{}", json);
  } else {
    print_table(file, options.out);
  }
}

}  // namespace

void add_plan_profile(CLI::App& plan) {
  auto options = std::make_shared<Options>();
  CLI::App* command = plan.add_subcommand(
      "profile", "Measure what each layer takes, to cut a pipeline by it");
  add_config_options(*command, options->config, ConfigFile::kOptional);
  command->add_option("--out", options->out, "The file to write")
      ->type_name("FILE")
      ->required();
  command
      ->add_option(
          "--rounds", options->rounds, "Of which the medians are taken")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command
      ->add_option("--link",
                   options->link,
                   "GB/s between stages; else what two rank threads reach here")
      ->check(CLI::PositiveNumber);
  command->add_flag("--json", options->json, "Print what was written");
  command->footer(
      "The embedding, a block and the head run forward and backward on a\n"
      "micro-batch, with train.threads, dropout, memory.recompute and\n"
      "memory.logits as the configuration has them and whole matrices.\n"
      "docs/formats/profile.md describes what is written; --json prints it.\n"
      "parallel.split = \"profile\" with parallel.profile = FILE cuts the\n"
      "model so that the slowest stage is as fast as can be.\n"
      "\n"
      "Example:\n"
      "  dure plan profile run.toml --out profile.json");
  command->callback([options] { run_plan_profile(*options); });
}

}  // namespace dure::cli
