// Saves a trainer to disk, and loads it.
#pragma once

#include <string>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/run/same_run.h"
#include "dure/train/trainer.h"

namespace dure::train {

// The files and tensors of a run's checkpoint at a step.
checkpoint::CheckpointPlan plan_of(const Config& config,
                                   const TrainingPosition& position,
                                   const RunDocuments& documents);

// Writes DIRECTORY/step_N, over an existing one, and then removes all but the
// newest checkpoint.keep. The folder appears under that name only when it is
// complete. Does nothing on the simulator. Collective over `ranks`, the rank's
// world or a twin of it: the first writes, the others send it the parts that
// they alone hold; only the first one's documents count.
void save_trainer(Rank& rank,
                  Trainer& trainer,
                  const RunDocuments& documents,
                  comm::Communicator& ranks);

// Loads weights, optimizer states and position, so that the run goes on with
// the step that would have followed. From a checkpoint of weights alone it
// loads these, and the next step is the first. Collective: every rank reads
// what it holds, whatever ranks wrote the checkpoint. Throws Error, naming what
// differs, for a checkpoint of another model or optimizer, or of a run that
// read other samples, unless checkpoint.accept_changed allows it. `checkpoint`
// has been verified (checkpoint::find_newest).
void load_trainer(Rank& rank,
                  Trainer& trainer,
                  const Path& checkpoint,
                  const RunDocuments& documents,
                  const Log& log);

// The argument of load_tokenizer() for the tokenizer with which a checkpoint or
// a Hugging Face model, a folder from find_weights(), was trained. If it has
// none, tokenizer_in() returns "" and tokenizer_of() throws UsageError.
std::string tokenizer_in(const Path& folder);
std::string tokenizer_of(const Path& folder);

// The folder of the weights that the checkpoint's run started from; empty if
// they were drawn.
std::string first_weights_of(const Path& checkpoint);

}  // namespace dure::train
