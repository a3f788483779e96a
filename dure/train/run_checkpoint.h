// A trainer to disk and back.
#pragma once

#include "dure/base/files.h"
#include "dure/train/trainer.h"

namespace dure::train {

// checkpoint.directory, or its default in log.directory.
Path checkpoint_directory(const Config& config);

// Writes DIRECTORY/step_N, with the tokenizer's files in it, and then removes
// all but the newest checkpoint.keep. Nothing stands under that name until all
// of it does. Nothing is done where it stands already. Collective: the first
// rank writes, the others send it what they alone hold, and go on.
void save_trainer(Rank& rank, Trainer& trainer);

// Weights, optimizer states and position, so that the next step is what it
// would have been. Collective: every rank reads what it holds, whatever ranks
// wrote the checkpoint. Throws Error for a checkpoint of another model,
// optimizer or seed, naming what differs.
void load_trainer(Rank& rank, Trainer& trainer, const Path& checkpoint);

// What load_tokenizer() takes, for the tokenizer that a checkpoint (or a folder
// of them, or a Hugging Face model) was trained with.
std::string tokenizer_of(const Path& checkpoint);

}  // namespace dure::train
