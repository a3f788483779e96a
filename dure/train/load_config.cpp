#include "dure/train/load_config.h"

#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/model/presets.h"
#include "dure/train/pipeline.h"
#include "dure/train/ramp_up.h"

namespace dure::train {
namespace {

// What the keys of [model] start from.
struct Base {
  model::ModelConfig model;
  std::string origin;
};

Base base_of(const model::ModelConfig& asked) {
  if (!asked.preset.empty()) {
    return {.model = model::preset(asked.preset),
            .origin = "preset " + asked.preset};
  }
  const bool gpt = asked.family == model::Family::kGpt;
  return {.model = model::of_family(asked.family),
          .origin = gpt ? "default" : "family"};
}

// Which preset and family the settings ask for.
Base base_of(std::span<const Setting> settings) {
  Config asked;
  Fields fields;
  visit(fields, asked);
  apply_settings(fields, settings);
  return base_of(asked.model);
}

void set_base_origin(Fields& fields, const std::string& origin) {
  Origins model_origins;
  for (const Field& field : fields.all()) {
    if (field.section == "model") {
      model_origins[field.key()] = origin;
    }
  }
  set_origins(fields, model_origins);
}

void check_family(const Base& base, const Config& config) {
  if (config.model.family != base.model.family) {
    throw UsageError(concat("model.family: wanted that of model.preset, \"",
                            config.model.preset,
                            "\", or none; got another"));
  }
}

// Marks the keys that resolve() filled in.
void resolve_in_place(Fields& fields, Config& config) {
  std::vector<std::string> before;
  for (const Field& field : fields.all()) {
    before.push_back(field.text());
  }
  config = resolve(std::move(config));
  Origins changed;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const Field& field = fields.all()[i];
    if (field.text() != before[i]) {
      changed[field.key()] = "auto";
    }
  }
  set_origins(fields, changed);
}

LoadedConfig load(std::vector<Setting> settings,
                  std::span<const std::string> sets) {
  for (const std::string& set : sets) {
    settings.push_back(parse_set_argument(set));
  }
  const Base base = base_of(settings);
  LoadedConfig loaded;
  loaded.config.model = base.model;
  Fields fields;
  visit(fields, loaded.config);
  set_base_origin(fields, base.origin);
  apply_settings(fields, settings);
  check_family(base, loaded.config);
  resolve_in_place(fields, loaded.config);
  validate(loaded.config);
  loaded.origins = origins(fields);
  return loaded;
}

// Who asks for more than one rank is told how to start them.
mesh::Mesh mesh_on(const ParallelConfig& parallel, int ranks) {
  try {
    return mesh_of(parallel, ranks);
  } catch (const UsageError& error) {
    if (ranks > 1) {
      throw;
    }
    throw UsageError(
        concat(error.what(), "; more are started by --ranks, mpirun or srun"));
  }
}

}  // namespace

LoadedConfig load_config(const std::string& path,
                         std::span<const std::string> sets) {
  return load(path.empty() ? std::vector<Setting>() : read_settings(path),
              sets);
}

LoadedConfig parse_config(std::string_view text,
                          const std::string& name,
                          std::span<const std::string> sets) {
  return load(parse_settings(text, name), sets);
}

void take_ranks(LoadedConfig& loaded, int ranks) {
  ParallelConfig& parallel = loaded.config.parallel;
  const mesh::Mesh mesh = mesh_on(parallel, ranks);
  if (parallel.data == mesh::kAuto) {
    parallel.data = mesh.size(mesh::Axis::kData);
    loaded.origins["parallel.data"] = "auto";
  }
  TrainConfig& train = loaded.config.train;
  if (loaded.origins["train.micro_batch"] == "auto") {
    train.micro_batch = default_micro_batch(loaded.config, parallel.data);
  }
  validate_batches(train, parallel.data);
  validate_pipeline(loaded.config);
  if (parallel.zero_group > 0 && parallel.data % parallel.zero_group != 0) {
    throw UsageError(concat("parallel.zero_group: wanted a divisor of the ",
                            parallel.data,
                            " ranks that share a batch, got ",
                            parallel.zero_group));
  }
}

std::vector<std::pair<std::string, std::string>> settings_of(Config config) {
  Fields fields;
  visit(fields, config);
  std::vector<std::pair<std::string, std::string>> settings;
  for (const Field& field : fields.all()) {
    settings.emplace_back(field.key(), field.text());
  }
  return settings;
}

std::string to_toml(const LoadedConfig& loaded) {
  Config copy = loaded.config;
  Fields fields;
  visit(fields, copy);
  set_origins(fields, loaded.origins);
  return dure::to_toml(fields);
}

}  // namespace dure::train
