// A configuration from a TOML file, --set arguments and a preset.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/fields.h"
#include "dure/train/config.h"
#include "dure/train/starting_point.h"

namespace dure::train {

struct LoadedConfig {
  Config config;    // resolved and valid
  Origins origins;  // key to "default", "run.toml:12", "--set", "preset x", ...
};

// Values in order, each over those before: defaults; those of the family, the
// preset, or the model that the run starts from (source.h); the file's; those
// of --set. An empty path is no file. Throws UsageError where anything is
// wrong, and Error where train.from can't be read.
LoadedConfig load_config(const std::string& path,
                         std::span<const std::string> sets,
                         Start start = Start::kNew);

// As above, of a file's text; `name` is what messages call it. No other file is
// read: of train.from nothing follows.
LoadedConfig parse_config(std::string_view text,
                          const std::string& name,
                          std::span<const std::string> sets);

// Fills in parallel.data and train.micro_batch, where they are auto, for so
// many ranks. Throws UsageError as mesh_of() does, and where batches or
// parallel.zero_group do not divide.
void take_ranks(LoadedConfig& loaded, int ranks);

// Every key with its value as TOML, in the order of the documentation.
std::vector<std::pair<std::string, std::string>> settings_of(Config config);

// The whole configuration as TOML that loads to the same: what --print-config
// prints, and what a run writes to config.toml.
std::string to_toml(const LoadedConfig& loaded);

}  // namespace dure::train
