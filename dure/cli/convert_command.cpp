// `dure convert`: converts a model's weights from one kind of files to another.
#include <CLI/CLI.hpp>
#include <chrono>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/arithmetic.h"
#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/huggingface.h"
#include "dure/checkpoint/import.h"
#include "dure/cli/commands.h"
#include "dure/cli/output.h"
#include "dure/cli/version.h"
#include "dure/data/tokenizer/tokenizer_files.h"
#include "dure/data/tokenizer/transformers_files.h"
#include "dure/model/count.h"

namespace dure::cli {
namespace {

using checkpoint::FileDtype;
using checkpoint::WeightSource;

struct Options {
  std::vector<std::string> from;  // kind, path
  std::vector<std::string> to;
  std::string dtype;
  double shard_gib = 5;
  bool json = false;
};

std::optional<FileDtype> dtype_of(const std::string& name) {
  if (name.empty()) {
    return std::nullopt;
  }
  return name == "f32"    ? FileDtype::kF32
         : name == "bf16" ? FileDtype::kBf16
                          : FileDtype::kF16;
}

[[noreturn]] void unknown_kind(const char* option, const std::string& kind) {
  throw UsageError("{}: the kind is hf or dure, not {}", option, kind);
}

// The folder with the weights; in a run's directory it is the newest
// checkpoint.
Path source_folder(const Options& options) {
  const Path path = options.from[1];
  if (options.from[0] == "hf") {
    return path;
  }
  if (options.from[0] == "dure") {
    return checkpoint::resolve_checkpoint(path, checkpoint::Look::kSums, Log());
  }
  unknown_kind("--from", options.from[0]);
}

std::unique_ptr<WeightSource> open(const Options& options, const Path& folder) {
  if (options.from[0] == "hf") {
    return std::make_unique<checkpoint::HuggingFaceWeights>(folder);
  }
  return std::make_unique<checkpoint::CheckpointWeights>(folder);
}

// Copies the tokenizer's files as they are, even if it can't be loaded here,
// because another program may load it. Returns the warnings.
std::vector<std::string> write(const WeightSource& source,
                               const Path& folder,
                               const Options& options) {
  const std::optional<FileDtype> dtype = dtype_of(options.dtype);
  const Path path = options.to[1];
  if (options.to[0] == "hf") {
    data::TransformersTokenizer tokenizer =
        data::transformers_tokenizer(folder, source.config().max_sequence);
    return checkpoint::write_huggingface(
        source,
        path,
        {.dtype = dtype,
         .shard_bytes = static_cast<std::uint64_t>(options.shard_gib * kGib),
         .documents = std::move(tokenizer.files),
         .ids = {.beginning = tokenizer.beginning, .end = tokenizer.end}});
  }
  return checkpoint::write_checkpoint(
      source,
      path,
      {.dtype = dtype,
       .commit = commit(),
       .documents = data::tokenizer_files_in(folder)});
}

std::uint64_t folder_bytes(const Path& folder) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    bytes += entry.is_regular_file() ? entry.file_size() : 0;
  }
  return bytes;
}

struct Facts {
  std::int64_t parameters;
  std::uint64_t bytes;
  double seconds;
  std::vector<std::string> warnings;
};

void report(const Options& options, const Facts& facts) {
  const std::string& path = options.to[1];
  if (options.json) {
    const nlohmann::ordered_json object = {{"path", path},
                                           {"parameters", facts.parameters},
                                           {"bytes", facts.bytes},
                                           {"seconds", facts.seconds},
                                           {"warnings", facts.warnings}};
    put_json(object);
    return;
  }
  fmt::print("wrote {}: {} parameters, {:.3f} GB in {:.2f} s\n",
             shown_name(path),
             facts.parameters,
             static_cast<double>(facts.bytes) / 1e9,
             facts.seconds);
  for (const std::string& warning : facts.warnings) {
    fmt::print(stderr, "warning: {}\n", warning);
  }
}

void convert(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  if (options.to[0] != "hf" && options.to[0] != "dure") {
    unknown_kind("--to", options.to[0]);
  }
  const Path folder = source_folder(options);
  const std::unique_ptr<WeightSource> source = open(options, folder);
  std::vector<std::string> warnings = write(*source, folder, options);
  const std::chrono::duration<double> time =
      std::chrono::steady_clock::now() - start;
  report(options,
         {.parameters = model::count(source->config()).published,
          .bytes = folder_bytes(options.to[1]),
          .seconds = time.count(),
          .warnings = std::move(warnings)});
}

}  // namespace

void add_convert(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "convert",
      "Converts weights between Hugging Face's files and checkpoints");
  command->add_option("--from", options->from, "hf or dure, and the folder")
      ->type_name("KIND PATH")
      ->expected(2)
      ->required();
  command->add_option("--to", options->to, "hf or dure, and a folder to make")
      ->type_name("KIND PATH")
      ->expected(2)
      ->required();
  command
      ->add_option("--dtype",
                   options->dtype,
                   "Of the new files; each weight's own where not given")
      ->check(CLI::IsMember({"f32", "bf16", "f16"}));
  command
      ->add_option("--shard-gib",
                   options->shard_gib,
                   "Largest file of an hf folder, in GiB")
      ->check(CLI::Range(1e-6, 1e6))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Print facts as JSON");
  command->footer(
      "hf is a folder with config.json and model.safetensors (or several files "
      "and\ntheir index), of model_type gpt2 or llama; dure a checkpoint or a "
      "folder of them,\nof which the newest is taken. The files of a tokenizer "
      "in\nthe folder go along as they are; an hf folder whose tokenizer.json "
      "has none "
      "to\nsay how it is loaded gets a tokenizer_config.json.\n\n"
      "Refused: a key of config.json that may change results and that Dure "
      "does "
      "not\nhave, weights that are not finite, and weights beyond the largest "
      "of --dtype.\n\n"
      "Examples:\n"
      "  dure convert --from hf gpt2 --to dure gpt2-dure\n"
      "  dure convert --from dure run/checkpoints --to hf out --dtype bf16");
  command->callback([options] { convert(*options); });
}

}  // namespace dure::cli
