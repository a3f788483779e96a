#include "dure/config/load_config.h"

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/config/pipeline.h"
#include "dure/config/ramp_up.h"
#include "dure/model/families/families.h"

namespace dure::train {
namespace {

// The model that the keys of [model] start from.
struct Base {
  model::ModelConfig model;
  std::string origin;
};

Base base_of(const model::ModelConfig& asked) {
  if (!asked.preset.empty()) {
    return {.model = model::preset(asked.preset),
            .origin = "preset " + asked.preset};
  }
  const bool is_default = asked.family == model::ModelConfig{}.family;
  return {.model = model::of_family(*asked.family),
          .origin = is_default ? "default" : "family"};
}

Base base_of(const model::ModelConfig& asked,
             const std::optional<SourceModel>& source) {
  if (source && asked.preset.empty()) {
    return {.model = source->model, .origin = source->name};
  }
  return base_of(asked);
}

// The configuration that the settings ask for, before anything is filled in.
Config asked_by(std::span<const Setting> settings) {
  Config asked;
  Fields fields;
  visit(fields, asked);
  apply_settings(fields, settings);
  return asked;
}

using FindSource = std::function<std::optional<SourceModel>(const Config&)>;

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
    throw UsageError(
        "model.family: wanted that of model.preset, \"{}\", or "
        "none; got another",
        config.model.preset);
  }
}

// The first bucket has the size of the others unless it is set to be smaller.
void check_buckets(Fields& fields, const ParallelConfig& parallel) {
  const Field& first = *fields.find("parallel.first_bucket_mb");
  if (first.origin != "default" &&
      parallel.first_bucket_mb > parallel.bucket_mb) {
    throw UsageError(
        "parallel.first_bucket_mb: wanted at most "
        "parallel.bucket_mb, {:g}, got {:g} ({})",
        parallel.bucket_mb,
        parallel.first_bucket_mb,
        first.origin);
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

// The one file beside the configuration that decides how the model is cut.
void read_profile(ParallelConfig& parallel) {
  if (parallel.split == "profile" && !parallel.profile.empty()) {
    parallel.measured =
        profile_from_json(read_file(parallel.profile), parallel.profile);
  }
}

LoadedConfig load(std::vector<Setting> settings,
                  std::span<const std::string> sets,
                  const FindSource& find_source) {
  for (const std::string& set : sets) {
    settings.push_back(parse_set_argument(set));
  }
  const Config asked = asked_by(settings);
  const std::optional<SourceModel> source = find_source(asked);
  const Base base = base_of(asked.model, source);
  LoadedConfig loaded;
  loaded.config.model = base.model;
  Fields fields;
  visit(fields, loaded.config);
  set_base_origin(fields, base.origin);
  apply_settings(fields, settings);
  check_buckets(fields, loaded.config.parallel);
  if (source) {
    expect_model(*source, loaded.config.model);
  }
  check_family(base, loaded.config);
  resolve_in_place(fields, loaded.config);
  read_profile(loaded.config.parallel);
  validate(loaded.config);
  loaded.origins = origins(fields);
  return loaded;
}

// The mesh. The error tells a user who asks for more than one rank how to start
// them.
mesh::Mesh mesh_on(const ParallelConfig& parallel, int ranks) {
  try {
    return mesh_of(parallel, ranks);
  } catch (const UsageError& error) {
    if (ranks > 1) {
      throw;
    }
    throw UsageError("{}; more are started by --ranks, mpirun or srun",
                     error.what());
  }
}

}  // namespace

LoadedConfig load_config(const std::string& path,
                         std::span<const std::string> sets,
                         Start start) {
  return load(
      path.empty() ? std::vector<Setting>() : read_settings(path),
      sets,
      [start](const Config& asked) { return source_model(asked, start); });
}

LoadedConfig parse_config(std::string_view text,
                          const std::string& name,
                          std::span<const std::string> sets) {
  return load(parse_settings(text, name), sets, [](const Config&) {
    return std::optional<SourceModel>();
  });
}

void take_ranks(LoadedConfig& loaded, int ranks) {
  ParallelConfig& parallel = loaded.config.parallel;
  const mesh::Mesh mesh = mesh_on(parallel, ranks);
  if (parallel.data == mesh::kAuto) {
    parallel.data = mesh.size(mesh::Axis::kData);
    loaded.origins["parallel.data"] = "auto";
  }
  TrainConfig& train = loaded.config.train;
  const std::int64_t samples = ranks_of(parallel, mesh::kSamples);
  if (loaded.origins["train.micro_batch"] == "auto") {
    train.micro_batch = default_micro_batch(loaded.config, samples);
  }
  validate_batches(train, samples);
  validate_pipeline(loaded.config);
  const std::int64_t replicas = ranks_of(parallel, mesh::kReplicas);
  if (parallel.zero_group > 0 && replicas % parallel.zero_group != 0) {
    throw UsageError(
        "parallel.zero_group: wanted a divisor of the {} ranks "
        "that share a batch, got {}",
        replicas,
        parallel.zero_group);
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
