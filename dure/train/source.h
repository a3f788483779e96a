// Where a run's first weights come from, where it does not draw them:
// train.from, or of one that goes on its own checkpoint.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/train/config.h"
#include "dure/train/starting_point.h"
#include "dure/train/trainer.h"

namespace dure::train {

// The model of these weights, by a look at what describes it alone: what keys
// of [model] start from. One that goes on has it from its newest checkpoint,
// wherever train.from is by now.
struct SourceModel {
  model::ModelConfig model;
  std::string name;  // "train.from = gpt2", for messages
};

// None where train.from is empty. `asked` need not be resolved. Error where
// there are no weights.
std::optional<SourceModel> source_model(const Config& asked, Start start);

// Throws UsageError, naming the first key that differs, where weights of the
// source can't be those of `wanted`.
void expect_model(const SourceModel& source, const model::ModelConfig& wanted);

// The folder that train.from names, found and compared with its sums on the
// first rank; empty where there is none. Collective.
Path find_source(Rank& rank, const Config& config, const Log& log);

// Error where an id has another text in the source's tokenizer than in
// data.tokenizer, unless checkpoint.accept_changed has "tokenizer". One of the
// two may have more ids. On one rank.
void expect_tokenizer(const Path& source, const Config& config);

// Of weights that bring their own tokenizer: what data.tokenizer is then,
// "bytes" or nothing, and the files, every one that is there. A tokenizer that
// can't be used here is no error, and `log` hears of it; with ids beyond the
// model's it is a UsageError.
std::string unnamed_tokenizer(const Path& folder);
std::map<std::string, std::string> inherited_tokenizer(const Path& folder,
                                                       std::int64_t model_ids,
                                                       const Log& log);

// Weights of what find_source() found; the first step is the next. Collective.
void load_source(Rank& rank,
                 Trainer& trainer,
                 const Path& source,
                 const Log& log);

}  // namespace dure::train
