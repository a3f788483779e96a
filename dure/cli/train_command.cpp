// `dure train`: a training run from a configuration.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "dure/cli/commands.h"
#include "dure/cli/config_options.h"
#include "dure/train/load_config.h"
#include "dure/train/run.h"

namespace dure::cli {
namespace {

struct Options {
  ConfigOptions config;
  bool resume = false;
  bool print_config = false;
};

void train(const Options& options) {
  train::LoadedConfig loaded = load(options.config);
  if (options.print_config) {
    std::fputs(train::to_toml(loaded).c_str(), stdout);
    return;
  }
  train::take_ranks(loaded, 1);
  train::run_training(
      loaded.config,
      {.resume = options.resume ? train::Resume::kYes : train::Resume::kNo,
       .config_text = train::to_toml(loaded),
       .log = Log()});
}

}  // namespace

void add_train(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("train", "Trains a model");
  add_config_options(*command, options->config, ConfigFile::kRequired);
  command->add_flag("--resume",
                    options->resume,
                    "Go on from the newest checkpoint, where there is one");
  command->add_flag("--print-config",
                    options->print_config,
                    "Print every key with its value, its meaning and where it "
                    "came from, and stop");
  command->footer(
      "Ctrl-C finishes the step, saves, and exits with 0.\n"
      "Example:\n"
      "  dure train examples/first_run.toml --set train.steps=200");
  command->callback([options] { train(*options); });
}

}  // namespace dure::cli
