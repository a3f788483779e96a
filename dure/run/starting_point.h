// Where a run begins: at its first step, or at a checkpoint.
#pragma once

#include <optional>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/config/config.h"
#include "dure/config/source_model.h"

namespace dure::train {

// The checkpoint to go on from; nothing means the first step. `log` gets which
// one it is, which damaged ones are passed over, and which are put aside.
// Throws UsageError for kNew if there are checkpoints. Throws Error for kResume
// if all are damaged, and for a directory that is itself a checkpoint or holds
// another model's. Called on one rank of a run.
std::optional<Path> find_starting_point(const Config& config,
                                        Start start,
                                        const Log& log);

// Puts aside the checkpoints that kRestart does without, just before the first
// step, when nothing can be refused any more. Called on one rank of a run.
void put_aside(const Config& config, const Log& log);

}  // namespace dure::train
