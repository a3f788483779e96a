// The options of every command that takes a configuration.
#pragma once

#include <string>
#include <vector>

#include "dure/config/load_config.h"

namespace CLI {  // NOLINT(readability-identifier-naming): its own
class App;
}  // namespace CLI

namespace dure::cli {

struct ConfigOptions {
  std::string path;
  std::string preset;
  std::vector<std::string> sets;
};

enum class ConfigFile { kRequired, kOptional };

// Adds CONFIG and --set, and --preset if the file is optional. `options` must
// outlive the application.
void add_config_options(CLI::App& command,
                        ConfigOptions& options,
                        ConfigFile file);

train::LoadedConfig load(const ConfigOptions& options,
                         train::Start start = train::Start::kNew);

}  // namespace dure::cli
