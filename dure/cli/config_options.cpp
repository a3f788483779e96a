#include "dure/cli/config_options.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "dure/base/check.h"

namespace dure::cli {

void add_config_options(CLI::App& command,
                        ConfigOptions& options,
                        ConfigFile file) {
  command.add_option("CONFIG", options.path, "The configuration, in TOML")
      ->required(file == ConfigFile::kRequired);
  // Each --set takes one value: `--set a.b=1 CONFIG` must not take CONFIG for a
  // second.
  command
      .add_option("--set", options.sets, "section.key=value, over the file's")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  if (file == ConfigFile::kOptional) {
    command
        .add_option("--preset", options.preset, "As --set model.preset=NAME")
        ->type_name("NAME");
  }
}

train::LoadedConfig load(const ConfigOptions& options, train::Start start) {
  if (!options.path.empty() && !std::filesystem::exists(options.path)) {
    throw UsageError("there is no configuration {}", options.path);
  }
  std::vector<std::string> sets = options.sets;
  if (!options.preset.empty()) {
    sets.insert(sets.begin(), "model.preset=" + options.preset);
  }
  return train::load_config(options.path, sets, start);
}

}  // namespace dure::cli
