// A training run, from a configuration to a trained model on disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dure/base/interrupt.h"
#include "dure/base/log.h"
#include "dure/comm/communicator.h"
#include "dure/train/config.h"
#include "dure/train/starting_point.h"

namespace dure::train {

struct RunOptions {
  Start start = Start::kNew;
  std::string config_text = {};          // for config.toml, of the first rank
  std::string written_by = {};           // which Dure this is, for run.json
  std::vector<std::string> header = {};  // lines to be said before a step
  Log log = {};
  StopRequest stop = {};                // asks to finish the step and save
  comm::Communicator* world = nullptr;  // the ranks; null: this one alone
  // The same ranks, with failures of their own: over it they save what is whole
  // when `world` has failed. Null: they do not, or there is one alone.
  comm::Communicator* twin = nullptr;
};

// Trains, evaluates, writes metrics.jsonl, memory.json, run.json, config.toml
// and, where asked for, trace.json into log.directory, and checkpoints.
// `config` must be resolved and valid. Collective over the ranks: all read the
// same, the first one writes. What would keep it from saving is an Error before
// the first step. Where a rank throws outside an update and all still answer,
// the weights and states of the last step are saved first, and the Error goes
// on.
void run_training(const Config& config, const RunOptions& options);

}  // namespace dure::train
