#include "dure/train/run_checkpoint.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/comm/communicator.h"
#include "dure/data/tokenizer/tokenizer.h"
#include "dure/data/tokenizer/tokenizer_files.h"
#include "dure/model/weights.h"
#include "dure/train/load_weights.h"
#include "dure/train/tensor_gatherer.h"
#include "dure/train/weight_parts.h"

namespace dure::train {
namespace {

using checkpoint::FileDtype;
using Json = nlohmann::json;

const char* name_of(optim::OptimizerKind kind) {
  return kind == optim::OptimizerKind::kSgd ? "sgd" : "adamw";
}

std::string trainer_json(const Trainer& trainer) {
  const Config& config = trainer.config();
  const Position& position = trainer.position();
  return Json{{"step", position.step},
              {"updates", position.updates},
              {"consumed_samples", position.consumed},
              {"optimizer", name_of(config.optimizer.name)},
              {"sequence", config.data.sequence},
              {"tokenizer", config.data.tokenizer}}
      .dump(2);
}

std::map<std::string, std::string> documents_of(const Trainer& trainer) {
  const Config& config = trainer.config();
  auto documents =
      data::tokenizer_documents(config.data.tokenizer, config.model.vocabulary);
  documents[checkpoint::kTrainerFile] = trainer_json(trainer);
  return documents;
}

// All but the documents, which only the rank that writes needs.
checkpoint::CheckpointContent content_of(const Trainer& trainer) {
  const Config& config = trainer.config();
  checkpoint::CheckpointContent content;
  content.manifest.model = config.model;
  content.manifest.step = trainer.position().step;
  content.manifest.consumed_samples = trainer.position().consumed;
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

// Whether the folder is there, as the first rank sees it.
bool stands(const Path& folder, comm::Communicator& world) {
  std::int32_t answer = 0;
  if (world.rank() == 0) {
    answer = std::filesystem::exists(folder) ? 1 : 0;
  }
  world.run(comm::Broadcast{.x = Tensor(&answer, {1})});
  return answer != 0;
}

Position position_from(const Json& json, const Path& checkpoint) {
  try {
    return {.step = json.at("step").get<std::int64_t>(),
            .updates = json.at("updates").get<std::int64_t>(),
            .consumed = json.at("consumed_samples").get<std::int64_t>()};
  } catch (const Json::exception& error) {
    throw Error(concat(checkpoint.string(),
                       "/",
                       checkpoint::kTrainerFile,
                       " lacks a number of the position: ",
                       error.what()));
  }
}

Json parse(const std::string& text, const Path& checkpoint) {
  Json json = Json::parse(text, nullptr, false);
  DURE_CHECK(json.is_object(),
             (checkpoint / checkpoint::kTrainerFile).string(),
             " is not a JSON object; the checkpoint is damaged: `dure "
             "checkpoint verify` tells how, an older one may be whole");
  return json;
}

void expect_same_run(const Trainer& trainer,
                     const checkpoint::CheckpointReader& reader,
                     const Json& json) {
  const Config& config = trainer.config();
  reader.expect_model(config.model);
  const std::string optimizer = json.value("optimizer", "");
  DURE_CHECK(optimizer == name_of(config.optimizer.name),
             reader.folder().string(),
             " has the states of ",
             optimizer,
             ", wanted those of optimizer.name = \"",
             name_of(config.optimizer.name),
             "\"");
  DURE_CHECK(reader.manifest().seed == config.train.seed,
             reader.folder().string(),
             " is of a run with train.seed = ",
             reader.manifest().seed,
             ", wanted ",
             config.train.seed,
             ": another seed reads other samples");
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

Path checkpoint_directory(const Config& config) {
  return config.checkpoint.directory.empty()
             ? Path(config.log.directory) / "checkpoints"
             : Path(config.checkpoint.directory);
}

void save_trainer(Rank& rank, Trainer& trainer) {
  const Config& config = trainer.config();
  const Path root = checkpoint_directory(config);
  const Path folder = checkpoint::step_folder(root, trainer.position().step);
  comm::Communicator& world = rank.world();
  if (config.train.device == Device::kSim || stands(folder, world)) {
    return;
  }
  checkpoint::CheckpointContent content = content_of(trainer);
  if (world.rank() == 0) {
    content.documents = documents_of(trainer);
    make_directories(root);
  }
  const WeightCuts cuts(config.model, rank.tensor().part());
  const std::vector<WeightPart> parts = parts_of(trainer);
  save_parts(folder,
             checkpoint::plan_checkpoint(std::move(content)),
             {.cuts = cuts, .parts = parts},
             world,
             rank.arena);
  if (world.rank() == 0 && config.checkpoint.keep > 0) {
    checkpoint::prune(root, config.checkpoint.keep);
  }
}

void load_trainer(Rank& rank, Trainer& trainer, const Path& checkpoint) {
  const checkpoint::CheckpointWeights weights(checkpoint);
  const checkpoint::CheckpointReader& reader = weights.reader();
  const Json json =
      parse(reader.document(checkpoint::kTrainerFile), checkpoint);
  expect_same_run(trainer, reader, json);
  const Position position = position_from(json, checkpoint);
  load_weights(rank, trainer.replica(), weights);
  load_states(rank, trainer, reader.optimizer());
  trainer.set_position(position);
}

std::string tokenizer_of(const Path& checkpoint) {
  Path folder = checkpoint;
  if (!std::filesystem::exists(folder / "config.json")) {
    folder = checkpoint::resolve_checkpoint(checkpoint);
  }
  if (data::holds_tokenizer(folder)) {
    return folder.string();
  }
  const Path document = folder / checkpoint::kTrainerFile;
  const std::string spec =
      std::filesystem::exists(document)
          ? parse(read_file(document), folder).value("tokenizer", "")
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
