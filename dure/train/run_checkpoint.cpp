#include "dure/train/run_checkpoint.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/checkpoint/parallel_io.h"
#include "dure/comm/activity.h"
#include "dure/comm/communicator.h"
#include "dure/data/tokenizer/tokenizer.h"
#include "dure/data/tokenizer/tokenizer_files.h"
#include "dure/model/weights.h"
#include "dure/train/load_weights.h"
#include "dure/train/tensor_gatherer.h"
#include "dure/train/trainer_file.h"
#include "dure/train/weight_parts.h"

namespace dure::train {
namespace {

using checkpoint::FileDtype;

// Its tensors and its manifest.
checkpoint::CheckpointContent content_of(const Config& config,
                                         const Position& position) {
  checkpoint::CheckpointContent content;
  content.manifest.model = config.model;
  content.manifest.step = position.step;
  content.manifest.consumed_samples = position.consumed;
  content.manifest.seed = config.train.seed;
  for (const model::WeightSpec& spec : model::weights(config.model)) {
    content.model.push_back({spec.name, FileDtype::kF32, spec.logical});
    for (const std::string& kind : optim::state_kinds(config.optimizer)) {
      content.optimizer.push_back(
          {spec.name + "." + kind, FileDtype::kF32, spec.logical});
    }
  }
  return content;
}

// Weights and states.
std::vector<WeightPart> parts_of(Trainer& trainer) {
  std::vector<WeightPart> parts = train::parts_of(trainer.targets());
  const auto states = train::parts_of(trainer.optimizer().states());
  parts.insert(parts.end(), states.begin(), states.end());
  return parts;
}

// As manifest.json has sums.
std::string hash_of(const std::map<std::string, std::string>& settings) {
  std::string text;
  for (const auto& [key, value] : settings) {
    text += concat(key, " = ", value, "\n");
  }
  return fmt::format("{:016x}",
                     checkpoint::xxh64(std::as_bytes(std::span(text))));
}

using Texts = std::map<std::string, std::string>;

// The tokenizer's files in a checkpoint.
Texts tokenizer_in(const checkpoint::CheckpointReader& reader) {
  Texts files;
  for (const std::string& name : reader.documents()) {
    if (name != checkpoint::kTrainerFile) {
      files.emplace(name, reader.document(name));
    }
  }
  return files;
}

// The files that both have must be the same: earlier versions saved fewer.
bool same_tokenizer(const Texts& before,
                    const Texts& now,
                    const TrainerFile& file,
                    const Config& config) {
  if (before.empty() && now.empty()) {
    return file.tokenizer == config.data.tokenizer;
  }
  std::size_t common = 0;
  for (const auto& [name, text] : before) {
    const auto other = now.find(name);
    if (other != now.end() && other->second != text) {
      return false;
    }
    common += other != now.end() ? 1 : 0;
  }
  return common > 0;
}

std::vector<Change> changes_since(const checkpoint::CheckpointReader& reader,
                                  const TrainerFile& before,
                                  const Config& config,
                                  const RunDocuments& documents) {
  std::vector<Change> all =
      changes(before,
              trainer_file(config, before.position, documents.data),
              documents.epochs);
  if (!same_tokenizer(
          tokenizer_in(reader), documents.tokenizer, before, config)) {
    all.push_back({"tokenizer",
                   concat("data.tokenizer was ",
                          quoted(before.tokenizer),
                          ", is ",
                          quoted(config.data.tokenizer),
                          ", with other files")});
  }
  return all;
}

bool accepts(const Config& config, std::string_view change) {
  const std::vector<std::string>& accepted = config.checkpoint.accept_changed;
  return std::find(accepted.begin(), accepted.end(), change) != accepted.end();
}

// Some change would give the samples that were read, and those that follow,
// another meaning.
void expect_same_samples(std::vector<Change> found,
                         const Config& config,
                         const std::string& checkpoint) {
  std::erase_if(found, [&](const Change& change) {
    return accepts(config, change.accept);
  });
  if (found.empty()) {
    return;
  }
  std::string text;
  std::set<std::string> names;
  for (const std::string& name : config.checkpoint.accept_changed) {
    names.insert(quoted(name));
  }
  for (const Change& change : found) {
    text += concat("\n  ", change.what);
    names.insert(quoted(change.accept));
  }
  throw Error(concat(checkpoint,
                     " is of a run that read other samples:",
                     text,
                     "\nset it as it was, or, if it is meant, "
                     "checkpoint.accept_changed = [",
                     fmt::to_string(fmt::join(names, ", ")),
                     "], and the run goes on at its sample number in the new "
                     "order"));
}

void expect_optimizer(const TrainerFile& before,
                      const Config& config,
                      const std::string& checkpoint) {
  const std::string wanted = trainer_file(config, {}, std::nullopt).optimizer;
  DURE_CHECK(before.optimizer == wanted,
             checkpoint,
             " has the states of ",
             quoted(before.optimizer),
             ", wanted those of optimizer.name = ",
             quoted(wanted));
}

TrainerFile trainer_file_in(const checkpoint::CheckpointReader& reader) {
  const std::string source =
      (reader.folder() / checkpoint::kTrainerFile).string();
  const TrainerFile file =
      trainer_file_from(reader.document(checkpoint::kTrainerFile), source);
  DURE_CHECK(file.position.step == reader.manifest().step,
             source,
             " is of step ",
             file.position.step,
             ", and its manifest of step ",
             reader.manifest().step);
  return file;
}

// On the first rank: what it throws ends the others.
void expect_same_run(const checkpoint::CheckpointReader& reader,
                     TrainerFile before,
                     const Config& config,
                     const RunDocuments& documents,
                     const Log& log) {
  const std::string checkpoint = reader.folder().string();
  // Earlier versions have it in the manifest alone.
  before.settings.emplace("train.seed", std::to_string(reader.manifest().seed));
  expect_optimizer(before, config, checkpoint);
  expect_same_samples(
      changes_since(reader, before, config, documents), config, checkpoint);
  if (!before.data && documents.epochs > 1 && !accepts(config, "order")) {
    log.warning(
        "an earlier version of Dure wrote the checkpoint: its order of samples "
        "holds for the train.steps that the run had, and for others the "
        "documents are dealt anew; checkpoint.accept_changed = [\"order\"] "
        "goes "
        "on in the order of today, which any number of steps leaves as it is");
  }
  const std::string moved = moved_schedule(before, config);
  if (!moved.empty()) {
    log.warning(moved);
  }
}

void load_states(Rank& rank,
                 Trainer& trainer,
                 const checkpoint::SafetensorsFile& file) {
  const WeightCuts cuts(trainer.config().model, rank.tensor().part());
  read_parts(rank.stream,
             train::parts_of(trainer.optimizer().states()),
             cuts,
             [&](const std::string& state,
                 std::span<const mesh::Stretch> stretches,
                 std::span<float> out) {
               checkpoint::expect_tensor(file.at(state),
                                         cuts.weight(state).logical,
                                         file.path().string());
               checkpoint::read_stretches(file, state, stretches, out);
             });
}

}  // namespace

data::SampleOrder order_after(const Path& checkpoint, const Config& config) {
  const Path file = checkpoint / checkpoint::kTrainerFile;
  if (checkpoint.empty() || accepts(config, "order") ||
      !std::filesystem::exists(file)) {
    return data::SampleOrder::kByEpoch;
  }
  return order_of(trainer_file_from(read_file(file), file.string()));
}

checkpoint::CheckpointPlan plan_of(const Config& config,
                                   const Position& position,
                                   const RunDocuments& documents) {
  checkpoint::CheckpointContent content = content_of(config, position);
  content.documents = documents.tokenizer;
  const TrainerFile file = trainer_file(config, position, documents.data);
  content.documents[checkpoint::kTrainerFile] = to_json(file);
  content.manifest.config_hash = hash_of(file.settings);
  return checkpoint::plan_checkpoint(std::move(content));
}

void save_trainer(Rank& rank,
                  Trainer& trainer,
                  const RunDocuments& documents,
                  comm::Communicator& ranks) {
  const Config& config = trainer.config();
  if (config.train.device == Device::kSim) {
    return;
  }
  const Path root = config.checkpoint.directory;
  const Path folder = checkpoint::step_folder(root, trainer.position().step);
  const comm::Activity saving(ranks,
                              concat("saving ", folder.filename().string()));
  const WeightCuts cuts(config.model, rank.tensor().part());
  const std::vector<WeightPart> parts = parts_of(trainer);
  save_parts(folder,
             plan_of(config, trainer.position(), documents),
             {.cuts = cuts, .parts = parts},
             ranks,
             rank.arena);
  if (ranks.rank() == 0 && config.checkpoint.keep > 0) {
    checkpoint::prune(root, config.checkpoint.keep);
  }
}

void load_trainer(Rank& rank,
                  Trainer& trainer,
                  const Path& checkpoint,
                  const RunDocuments& documents,
                  const Log& log) {
  const comm::Activity loading(
      rank.world(), concat("loading ", quoted(checkpoint.filename().string())));
  const checkpoint::CheckpointWeights weights(checkpoint);
  const checkpoint::CheckpointReader& reader = weights.reader();
  reader.expect_model(trainer.config().model);
  if (!reader.has_document(checkpoint::kTrainerFile)) {
    log.info(concat("starting from the weights of ", checkpoint.string()));
    return load_weights(rank, trainer.replica(), weights);
  }
  const TrainerFile before = trainer_file_in(reader);
  if (rank.is_first()) {
    expect_same_run(reader, before, trainer.config(), documents, log);
  }
  log.info(concat("going on from ", checkpoint.string()));
  load_weights(rank, trainer.replica(), weights);
  load_states(rank, trainer, reader.optimizer());
  trainer.set_position(before.position);
}

std::string tokenizer_of(const Path& folder) {
  if (data::holds_tokenizer(folder)) {
    return folder.string();
  }
  const Path file = folder / checkpoint::kTrainerFile;
  const std::string spec =
      std::filesystem::exists(file)
          ? trainer_file_from(read_file(file), file.string()).tokenizer
          : "";
  // A path that somebody else's file names is not followed: what is to be had
  // from it is in the checkpoint.
  if (spec != data::kBytesTokenizer) {
    throw UsageError(concat(folder.string(),
                            " holds no tokenizer; name one with --tokenizer"));
  }
  return spec;
}

}  // namespace dure::train
