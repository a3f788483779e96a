#include "dure/run/run_checkpoint.h"

#include <algorithm>
#include <fmt/core.h>
#include <iterator>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/checkpoint/parallel_io.h"
#include "dure/checkpoint/sharded/load_weights.h"
#include "dure/checkpoint/sharded/tensor_gatherer.h"
#include "dure/comm/activity.h"
#include "dure/comm/communicator.h"
#include "dure/data/tokenizer/tokenizer.h"
#include "dure/data/tokenizer/tokenizer_files.h"
#include "dure/model/weights.h"
#include "dure/optim/optimizer.h"
#include "dure/run/same_run.h"
#include "dure/run/trainer_file.h"
#include "dure/train/weight_parts.h"

namespace dure::train {
namespace {

using checkpoint::FileDtype;
using optim::StateScope;

std::vector<optim::OptimizerState> states_of(const Config& config) {
  return config.optimizer.name->states(config.optimizer);
}

// The number of ranks that each have a state of the weight of their own.
std::int64_t owners_of(const optim::OptimizerState& state,
                       const model::WeightSpec& spec,
                       const Config& config) {
  return state.scope == StateScope::kEachRank
             ? ranks_of(config.parallel, summed_over(spec.placement))
             : 1;
}

// The tensors and the manifest of a checkpoint.
checkpoint::CheckpointContent content_of(const Config& config,
                                         const TrainingPosition& position) {
  checkpoint::CheckpointContent content;
  content.manifest.model = config.model;
  content.manifest.step = position.step;
  content.manifest.consumed_samples = position.consumed;
  content.manifest.seed = config.train.seed;
  const FileDtype of_weights =
      checkpoint::file_dtype(compute_type(config.precision));
  const FileDtype of_states =
      checkpoint::file_dtype(state_type(config.precision));
  for (const model::WeightSpec& spec : model::weights(config.model)) {
    content.model.push_back({spec.name, of_weights, spec.logical});
    if (has_masters(config.precision)) {
      content.optimizer.push_back({fmt::format("{}.{}", spec.name, kMasterEnd),
                                   FileDtype::kF32,
                                   spec.logical});
    }
    for (const optim::OptimizerState& state : states_of(config)) {
      for (std::int64_t r = 0; r < owners_of(state, spec, config); ++r) {
        content.optimizer.push_back(
            {spec.name + "." + end_of(state, r), of_states, spec.logical});
      }
    }
  }
  return content;
}

// All parts that the rank owns.
std::vector<OwnedPart> owned_by(Trainer& trainer) {
  const RankModel& rank_model = trainer.rank_model();
  const auto states = states_of(trainer.config());
  std::vector<std::size_t> all(states.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<OwnedPart> parts = owned_weights(rank_model);
  if (rank_model.store().has_masters()) {
    std::ranges::move(owned_masters(rank_model), std::back_inserter(parts));
  }
  std::ranges::move(owned_states(rank_model, states, all),
                    std::back_inserter(parts));
  return parts;
}

// The hash in the form of manifest.json's sums.
std::string hash_of(const std::map<std::string, std::string>& settings) {
  std::string text;
  for (const auto& [key, value] : settings) {
    text += fmt::format("{} = {}\n", key, value);
  }
  return checkpoint::hex_of(checkpoint::xxh64(std::as_bytes(std::span(text))));
}

TrainerFile trainer_file_in(const checkpoint::CheckpointReader& reader) {
  const std::string source =
      (reader.folder() / checkpoint::kTrainerFile).string();
  const TrainerFile file =
      trainer_file_from(reader.document(checkpoint::kTrainerFile), source);
  DURE_CHECK(file.position.step == reader.manifest().step,
             "{} is of step {}, and its manifest of step {}",
             source,
             file.position.step,
             reader.manifest().step);
  return file;
}

// Whether the file has the state of as many ranks as there are now. If it has
// not, what a rank left out of a message means nothing to them.
bool has_all(const checkpoint::SafetensorsFile& file,
             const Config& config,
             const optim::OptimizerState& state) {
  if (state.scope == StateScope::kAlike) {
    return true;
  }
  const auto specs = model::weights(config.model);
  return std::ranges::all_of(specs, [&](const model::WeightSpec& spec) {
    const std::int64_t owners = owners_of(state, spec, config);
    return file.find(fmt::format(
               "{}.{}", spec.name, end_of(state, owners - 1))) != nullptr &&
           file.find(fmt::format("{}.{}", spec.name, end_of(state, owners))) ==
               nullptr;
  });
}

void read_from(const checkpoint::SafetensorsFile& file,
               Rank& rank,
               RankModel& rank_model,
               std::span<const OwnedPart> parts) {
  const WeightCuts cuts(rank_model.config(), rank.place());
  read_owned(rank,
             rank_model,
             parts,
             [&](const std::string& tensor,
                 std::span<const mesh::Stretch> stretches,
                 std::span<float> out) {
               checkpoint::expect_tensor(file.at(tensor),
                                         cuts.weight(tensor).logical,
                                         file.path().string());
               checkpoint::read_stretches(file, tensor, stretches, out);
             });
}

// Masters have more digits than the weights beside them, whatever type these
// have now.
void load_masters(Rank& rank,
                  RankModel& rank_model,
                  const checkpoint::SafetensorsFile& file) {
  const std::string& first = rank_model.weights().all().front().name;
  if (file.find(fmt::format("{}.{}", first, kMasterEnd)) != nullptr) {
    read_from(file, rank, rank_model, owned_masters(rank_model));
    rank_model.store().broadcast();
  }
}

void load_states(Rank& rank,
                 Trainer& trainer,
                 const checkpoint::SafetensorsFile& file,
                 const Log& log) {
  const Config& config = trainer.config();
  RankModel& rank_model = trainer.rank_model();
  const auto states = states_of(config);
  std::vector<std::size_t> there;
  for (std::size_t k = 0; k < states.size(); ++k) {
    if (has_all(file, config, states[k])) {
      there.push_back(k);
      continue;
    }
    log.info(
        fmt::format("each data rank has its own {}, and the checkpoint is not "
                    "of {} of them: it begins again at 0",
                    states[k].name,
                    ranks_of(config.parallel, mesh::kReplicas)));
  }
  read_from(file, rank, rank_model, owned_states(rank_model, states, there));
}

}  // namespace

checkpoint::CheckpointPlan plan_of(const Config& config,
                                   const TrainingPosition& position,
                                   const RunDocuments& documents) {
  checkpoint::CheckpointContent content = content_of(config, position);
  content.documents = documents.tokenizer;
  if (!documents.products.empty()) {
    content.documents[checkpoint::kProductsFile] = documents.products;
  }
  TrainerFile file = trainer_file(config, position, documents.data);
  file.from = documents.from;
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
  const comm::Activity saving(
      ranks, fmt::format("saving {}", folder.filename().string()));
  const WeightCuts cuts(config.model, rank.place());
  const auto acquire = [&](const OwnedPart& part) {
    return acquire_to_read(rank.stream, trainer.rank_model().store(), part);
  };
  save_parts(folder,
             plan_of(config, trainer.position(), documents),
             {.cuts = cuts, .parts = owned_by(trainer), .acquire = acquire},
             ranks,
             rank.arena);
  if (ranks.rank() == 0 && config.checkpoint.keep > 0) {
    checkpoint::prune(root,
                      {.keep = config.checkpoint.keep,
                       .look = checkpoint::Look::kSizes,
                       .last_step = trainer.position().step});
  }
}

void load_trainer(Rank& rank,
                  Trainer& trainer,
                  const Path& checkpoint,
                  const RunDocuments& documents,
                  const Log& log) {
  const comm::Activity loading(
      rank.world(),
      fmt::format("loading {}", quoted(checkpoint.filename().string())));
  const checkpoint::CheckpointWeights weights(checkpoint);
  const checkpoint::CheckpointReader& reader = weights.reader();
  reader.expect_model(trainer.config().model);
  if (!reader.has_document(checkpoint::kTrainerFile)) {
    log.info(
        fmt::format("starting from the weights of {}", checkpoint.string()));
    return load_weights(rank, trainer.rank_model(), weights);
  }
  const TrainerFile before = trainer_file_in(reader);
  if (rank.is_first()) {
    expect_same_run(reader, before, trainer.config(), documents, log);
  }
  log.info(fmt::format("going on from {}", checkpoint.string()));
  load_weights(rank, trainer.rank_model(), weights);
  load_masters(rank, trainer.rank_model(), reader.optimizer());
  load_states(rank, trainer, reader.optimizer(), log);
  trainer.set_position(before.position);
}

std::string tokenizer_in(const Path& folder) {
  if (data::holds_tokenizer(folder)) {
    return folder.string();
  }
  const Path file = folder / checkpoint::kTrainerFile;
  const std::string spec =
      std::filesystem::exists(file)
          ? trainer_file_from(read_regular_file(file), file.string()).tokenizer
          : "";
  // A path in somebody else's file is not followed: the checkpoint has
  // everything that is needed.
  return spec == data::kBytesTokenizer ? spec : "";
}

std::string tokenizer_of(const Path& folder) {
  std::string spec = tokenizer_in(folder);
  if (spec.empty()) {
    throw UsageError("{} holds no tokenizer; name one with --tokenizer",
                     folder.string());
  }
  return spec;
}

std::string first_weights_of(const Path& checkpoint) {
  const Path file = checkpoint / checkpoint::kTrainerFile;
  return std::filesystem::exists(file)
             ? trainer_file_from(read_regular_file(file), file.string()).from
             : "";
}

}  // namespace dure::train
