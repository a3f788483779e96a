// trainer.json: where a run stands, and what gives that its meaning.
// docs/formats/checkpoint.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dure/data/data_identity.h"
#include "dure/train/config.h"
#include "dure/train/trainer.h"

namespace dure::train {

struct TrainerFile {
  Position position;
  std::string optimizer = {};  // its name
  std::string tokenizer = {};  // data.tokenizer of the run
  std::string from = {};       // the folder of its first weights; empty: drawn
  // Keys of the configuration that samples and updates depend on, as TOML:
  // "train.global_batch" -> "8". Empty in files of versions before it.
  std::map<std::string, std::string> settings = {};
  // What the training samples are. Nothing likewise.
  std::optional<data::DataIdentity> data = {};
};

// Versions before it was recorded had the joint one.
data::SampleOrder order_of(const TrainerFile& file);

TrainerFile trainer_file(const Config& config,
                         const Position& position,
                         std::optional<data::DataIdentity> data);

std::string to_json(const TrainerFile& file);

// Error for what is none, beginning with `source`.
TrainerFile trainer_file_from(std::string_view json, const std::string& source);

// What a run that goes on reads or sets otherwise than the one before.
struct Change {
  std::string accept;  // one of kAcceptableChanges
  std::string what;    // "train.seed was 3, is 4"
};
// `epochs`: the most that now are read of a data set. In the joint order
// several are dealt anew where there are more steps.
std::vector<Change> changes(const TrainerFile& before,
                            const TrainerFile& now,
                            std::int64_t epochs);

// Says where the learning rate is another because of train.steps alone: the
// next update's before and now, and what keeps it; empty where it is not.
std::string moved_schedule(const TrainerFile& before, const Config& config);

}  // namespace dure::train
