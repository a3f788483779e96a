// A configuration from a TOML file, --set arguments and a preset.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/fields.h"
#include "dure/config/config.h"
#include "dure/config/source_model.h"

namespace dure::train {

struct LoadedConfig {
  Config config;    // resolved and valid
  Origins origins;  // key to "default", "run.toml:12", "--set", "preset x", ...
};

// Applies values in this order: defaults; those of the family, the preset, or
// the model that the run starts from (source_model.h); the file's; those of
// --set. An empty path means no file. Throws UsageError if anything is wrong,
// and Error if train.from or parallel.profile can't be read.
LoadedConfig load_config(const std::string& path,
                         std::span<const std::string> sets,
                         Start start = Start::kNew);

// Does this for a file's text; messages call it `name`. It does not look at
// train.from, which has no effect on [model].
LoadedConfig parse_config(std::string_view text,
                          const std::string& name,
                          std::span<const std::string> sets);

// Fills in parallel.data and train.micro_batch, if they are auto, for so many
// ranks. Throws UsageError as mesh_of() does, and if batches or
// parallel.zero_group do not divide.
void take_ranks(LoadedConfig& loaded, int ranks);

// Every key with its value as TOML, in the order of the documentation.
std::vector<std::pair<std::string, std::string>> settings_of(Config config);

// The whole configuration as TOML that loads to the same. --print-config prints
// it, and a run writes it to config.toml.
std::string to_toml(const LoadedConfig& loaded);

}  // namespace dure::train
