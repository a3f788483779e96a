// The source of a run's first weights, if it does not draw them: train.from,
// or, for a resumed run, its own checkpoint.
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

// The model of these weights, from its description alone: the keys of [model]
// start from it. A resumed run takes it from its newest checkpoint, wherever
// train.from is by now.
struct SourceModel {
  model::ModelConfig model;
  std::string name;  // "train.from = gpt2", for messages
};

// Nothing if train.from is empty. `asked` need not be resolved. Throws Error if
// there are no weights.
std::optional<SourceModel> source_model(const Config& asked, Start start);

// Throws UsageError, naming the first key that differs, if weights of the
// source can't be those of `wanted`.
void expect_model(const SourceModel& source, const model::ModelConfig& wanted);

// The folder that train.from names, found and compared with its sums on the
// first rank; empty if there is none. Collective.
Path find_source(Rank& rank, const Config& config, const Log& log);

// Throws Error if an id has another text in the source's tokenizer than in
// data.tokenizer, unless checkpoint.accept_changed has "tokenizer". One of the
// two may have more ids. Called on one rank.
void expect_tokenizer(const Path& source, const Config& config);

// For weights that bring their own tokenizer: the value of data.tokenizer,
// "bytes" or nothing, and the tokenizer's files, all that are there. If it
// can't be used here, `log` says so. If it has ids beyond the model's, throws
// UsageError.
std::string unnamed_tokenizer(const Path& folder);
std::map<std::string, std::string> inherited_tokenizer(const Path& folder,
                                                       std::int64_t model_ids,
                                                       const Log& log);

// Loads the weights that find_source() found; the next step is the first.
// Collective.
void load_source(Rank& rank,
                 Trainer& trainer,
                 const Path& source,
                 const Log& log);

}  // namespace dure::train
