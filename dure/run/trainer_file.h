// trainer.json: the position of a run, and the settings that give it a meaning.
// docs/formats/checkpoint.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dure/config/config.h"
#include "dure/data/data_identity.h"
#include "dure/train/trainer.h"

namespace dure::train {

struct TrainerFile {
  TrainingPosition position;
  std::string optimizer = {};  // its name
  std::string tokenizer = {};  // data.tokenizer of the run
  std::string from = {};       // the folder of its first weights; empty: drawn
  // The keys of the configuration that samples and updates depend on, as TOML:
  // "train.global_batch" -> "8". Empty in files of older versions.
  std::map<std::string, std::string> settings = {};
  // The identity of the training data. Missing in files of older versions.
  std::optional<data::DataIdentity> data = {};
};

// The file's sample order. Versions that did not record it had the joint one.
data::SampleOrder order_of(const TrainerFile& file);

TrainerFile trainer_file(const Config& config,
                         const TrainingPosition& position,
                         std::optional<data::DataIdentity> data);

std::string to_json(const TrainerFile& file);

// Throws Error, beginning with `source`, for text that is not such a file.
TrainerFile trainer_file_from(std::string_view json, const std::string& source);

// A difference between a resumed run and the one before.
struct Change {
  std::string accept;  // one of kAcceptableChanges
  std::string what;    // "train.seed was 3, is 4"
};
// `epochs` is the most that a data set is now read. In the joint order, several
// epochs are shuffled anew if there are more steps.
std::vector<Change> changes(const TrainerFile& before,
                            const TrainerFile& now,
                            std::int64_t epochs);

// A sentence if the learning rate changes because of train.steps alone, with
// the next update's rate before and now, and the setting that keeps it; else
// empty.
std::string moved_schedule(const TrainerFile& before, const Config& config);

}  // namespace dure::train
