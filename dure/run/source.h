// The source of a run's first weights, if it does not draw them: train.from,
// or, for a resumed run, its own checkpoint.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/config/config.h"
#include "dure/config/source_model.h"
#include "dure/run/starting_point.h"
#include "dure/train/trainer.h"

namespace dure::train {

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
