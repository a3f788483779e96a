// A trainer to disk and back.
#pragma once

#include <string>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/train/same_run.h"
#include "dure/train/trainer.h"

namespace dure::train {

// The files and tensors of a run's checkpoints, at a step.
checkpoint::CheckpointPlan plan_of(const Config& config,
                                   const Position& position,
                                   const RunDocuments& documents);

// Writes DIRECTORY/step_N over what is there, and then removes all but the
// newest checkpoint.keep. Nothing stands under that name until all of it does.
// On the simulator nothing is done. Collective over `ranks`, the rank's world
// or a twin of it: the first writes, the others send it what they alone hold,
// and go on; only the first one's documents count.
void save_trainer(Rank& rank,
                  Trainer& trainer,
                  const RunDocuments& documents,
                  comm::Communicator& ranks);

// Weights, optimizer states and position, so that the next step is what it
// would have been; of weights alone, those, and the first step is the next.
// Collective: every rank reads what it holds, whatever ranks wrote the
// checkpoint. Throws Error for a checkpoint of another model or optimizer, or
// of a run that read other samples, unless checkpoint.accept_changed has it,
// naming what differs. `checkpoint` has been looked at
// (checkpoint::find_newest).
void load_trainer(Rank& rank,
                  Trainer& trainer,
                  const Path& checkpoint,
                  const RunDocuments& documents,
                  const Log& log);

// What load_tokenizer() takes, for the tokenizer that a checkpoint or a Hugging
// Face model, as find_weights() returned it, was trained with. Where it has
// none: nothing, and of tokenizer_of() a UsageError.
std::string tokenizer_in(const Path& folder);
std::string tokenizer_of(const Path& folder);

// Where the weights came from that the checkpoint's run started from; empty:
// they were drawn.
std::string first_weights_of(const Path& checkpoint);

}  // namespace dure::train
