// `dure checkpoint`: what checkpoints contain, whether they are whole, how two
// differ, and which may be removed.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/elements.h"
#include "dure/cli/commands.h"
#include "dure/cli/output.h"
#include "dure/model/count.h"

namespace dure::cli {
namespace {

using checkpoint::CheckpointReader;
using checkpoint::FileRecord;
using checkpoint::SafetensorsFile;
using checkpoint::TensorEntry;
using nlohmann::ordered_json;

struct Options {
  std::string path;
  std::string other;
  std::int64_t keep = 0;
  bool json = false;
};

CheckpointReader open(const std::string& path, checkpoint::Look look) {
  return CheckpointReader(checkpoint::resolve_checkpoint(path, look, Log()));
}

std::uint64_t bytes_in(const CheckpointReader& reader) {
  std::uint64_t bytes = 0;
  for (const FileRecord& file : reader.manifest().files) {
    bytes += file.bytes;
  }
  return bytes;
}

ordered_json tensors_json(const SafetensorsFile& file) {
  ordered_json tensors = ordered_json::array();
  for (const TensorEntry& entry : file.tensors()) {
    tensors.push_back({{"name", entry.name},
                       {"dtype", checkpoint::name_of(entry.dtype)},
                       {"shape", entry.shape}});
  }
  return tensors;
}

ordered_json show_json(const CheckpointReader& reader) {
  const checkpoint::Manifest& manifest = reader.manifest();
  ordered_json files = ordered_json::array();
  for (const FileRecord& file : manifest.files) {
    files.push_back({{"name", file.name},
                     {"bytes", file.bytes},
                     {"xxh64", fmt::format("{:016x}", file.xxh64)}});
  }
  return {
      {"path", reader.folder().string()},
      {"step", manifest.step},
      {"consumed_samples", manifest.consumed_samples},
      {"seed", manifest.seed},
      {"config_hash", manifest.config_hash},
      {"commit", manifest.commit},
      {"parameters", model::count(manifest.model).published},
      {"model", ordered_json::parse(checkpoint::model_to_json(manifest.model))},
      {"files", files},
      {"tensors", tensors_json(reader.model())}};
}

void show(const Options& options) {
  const CheckpointReader reader = open(options.path, checkpoint::Look::kSizes);
  const ordered_json facts = show_json(reader);
  if (options.json) {
    return put_json(facts);
  }
  for (const char* key : {"path",
                          "step",
                          "consumed_samples",
                          "seed",
                          "config_hash",
                          "commit",
                          "parameters"}) {
    fmt::print("{:17} {}\n", key, printable(facts[key].dump()));
  }
  for (const auto& [key, value] : facts["model"].items()) {
    fmt::print("model.{:11} {}\n", key, printable(value.dump()));
  }
  for (const FileRecord& file : reader.manifest().files) {
    fmt::print("{:>16} bytes  {:016x}  {}\n",
               file.bytes,
               file.xxh64,
               shown_name(file.name));
  }
  for (const TensorEntry& entry : reader.model().tensors()) {
    fmt::print("{:5} {:18} {}\n",
               checkpoint::name_of(entry.dtype),
               checkpoint::to_string(entry.shape),
               shown_name(entry.name));
  }
}

void verify(const Options& options) {
  const CheckpointReader reader(checkpoint::verify_checkpoint(options.path));
  const std::size_t files = reader.manifest().files.size();
  if (options.json) {
    return put_json({{"path", reader.folder().string()},
                     {"whole", true},
                     {"files", files},
                     {"bytes", bytes_in(reader)}});
  }
  fmt::print("{} is whole: {} files, {} bytes\n",
             shown_name(reader.folder().string()),
             files,
             bytes_in(reader));
}

struct Difference {
  std::string name;
  std::string what;
  double largest = 0;  // of any two elements
};

// NaN differs from everything but NaN.
double distance(float a, float b) {
  if (std::isnan(a) && std::isnan(b)) {
    return 0;
  }
  const double gap = std::abs(static_cast<double>(a) - b);
  return a == b ? 0 : std::isnan(gap) ? INFINITY : gap;
}

void compare_tensors(const TensorEntry& a,
                     const TensorEntry& b,
                     std::vector<Difference>& differences) {
  if (a.shape != b.shape) {
    differences.push_back({a.name,
                           checkpoint::to_string(a.shape) + " against " +
                               checkpoint::to_string(b.shape)});
    return;
  }
  const bool same_bytes = std::equal(
      a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
  if (a.dtype == b.dtype && same_bytes) {
    return;
  }
  const std::vector<float> x = checkpoint::to_floats(a);
  const std::vector<float> y = checkpoint::to_floats(b);
  Difference difference{a.name, "values"};
  for (std::size_t i = 0; i < x.size(); ++i) {
    difference.largest = std::max(difference.largest, distance(x[i], y[i]));
  }
  if (a.dtype != b.dtype) {
    difference.what = fmt::format("{} against {}",
                                  checkpoint::name_of(a.dtype),
                                  checkpoint::name_of(b.dtype));
  }
  differences.push_back(difference);
}

void compare_files(const SafetensorsFile& a,
                   const SafetensorsFile& b,
                   std::vector<Difference>& differences) {
  for (const TensorEntry& entry : a.tensors()) {
    const TensorEntry* other = b.find(entry.name);
    if (other == nullptr) {
      differences.push_back({entry.name, "only in the first"});
    } else {
      compare_tensors(entry, *other, differences);
    }
  }
  for (const TensorEntry& entry : b.tensors()) {
    if (a.find(entry.name) == nullptr) {
      differences.push_back({entry.name, "only in the second"});
    }
  }
}

std::vector<Difference> differences_of(const CheckpointReader& a,
                                       const CheckpointReader& b) {
  std::vector<Difference> differences;
  const std::string model =
      checkpoint::model_difference(a.manifest().model, b.manifest().model);
  if (!model.empty()) {
    differences.push_back({"model", model});
  }
  compare_files(a.model(), b.model(), differences);
  if (a.has_optimizer() != b.has_optimizer()) {
    differences.push_back({checkpoint::kOptimizerFile, "only in one"});
  } else if (a.has_optimizer()) {
    compare_files(a.optimizer(), b.optimizer(), differences);
  }
  return differences;
}

void diff(const Options& options) {
  const CheckpointReader a = open(options.path, checkpoint::Look::kSums);
  const CheckpointReader b = open(options.other, checkpoint::Look::kSums);
  const std::vector<Difference> differences = differences_of(a, b);
  ordered_json rows = ordered_json::array();
  for (const Difference& row : differences) {
    rows.push_back(
        {{"name", row.name}, {"what", row.what}, {"largest", row.largest}});
    if (!options.json) {
      fmt::print("{}: {}, by up to {:g}\n",
                 shown_name(row.name),
                 row.what,
                 row.largest);
    }
  }
  if (options.json) {
    put_json({{"differences", rows}});
  }
  DURE_CHECK(differences.empty(),
             "{} differences between {} and {}",
             differences.size(),
             a.folder().string(),
             b.folder().string());
  if (!options.json) {
    fmt::print("the same model, weights and optimizer states\n");
  }
}

void prune(const Options& options) {
  ordered_json removed = ordered_json::array();
  for (const Path& path : checkpoint::prune(
           checkpoint::find_steps(options.path), {.keep = options.keep})) {
    removed.push_back(path.string());
    if (!options.json) {
      fmt::print("removed {}\n", shown_name(path.string()));
    }
  }
  if (options.json) {
    put_json({{"removed", removed}});
  }
}

using Run = void(const Options& options);

CLI::App* add(CLI::App* group,
              const char* name,
              const char* meaning,
              const std::shared_ptr<Options>& options,
              Run* run) {
  CLI::App* command = group->add_subcommand(name, meaning);
  command->add_option("PATH", options->path, "A checkpoint, or a run's folder")
      ->required();
  command->add_flag("--json", options->json, "Print facts as JSON");
  command->footer(
      fmt::format("Example:\n  dure checkpoint {} run/checkpoints{}",
                  name,
                  run == &diff    ? " other/checkpoints"
                  : run == &prune ? " --keep 2"
                                  : ""));
  command->callback([options, run] { run(*options); });
  return command;
}

}  // namespace

void add_checkpoint(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* group = app.add_subcommand(
      "checkpoint", "Shows, verifies, compares and removes checkpoints");
  group->require_subcommand(1);
  group->footer("Example:\n  dure checkpoint show run/checkpoints");
  add(group, "show", "Prints what a checkpoint holds", options, &show);
  add(group,
      "verify",
      "Reads a whole checkpoint and compares its sums",
      options,
      &verify);
  add(group,
      "diff",
      "Compares two checkpoints; fails where they differ",
      options,
      &diff)
      ->add_option("OTHER", options->other, "The one to compare with")
      ->required();
  add(group,
      "prune",
      "Removes all but the newest checkpoints of a run",
      options,
      &prune)
      ->add_option("--keep", options->keep, "How many stay")
      ->required()
      ->check(CLI::PositiveNumber);
}

}  // namespace dure::cli
