// A training run, from a configuration to a trained model on disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dure/base/files.h"
#include "dure/base/interrupt.h"
#include "dure/base/log.h"
#include "dure/comm/communicator.h"
#include "dure/config/config.h"
#include "dure/run/starting_point.h"

namespace dure::train {

struct RunOptions {
  Start start = Start::kNew;
  std::string config_text = {};          // for config.toml, on the first rank
  std::string written_by = {};           // the version of Dure, for run.json
  std::vector<std::string> header = {};  // lines to print before the first step
  Log log = {};
  StopRequest stop = {};  // asks to finish the step and save
  Path cache = {};        // the user's cache directory of Dure; empty: none
  comm::Communicator* world = nullptr;  // the ranks; null: this one alone
  // `world` again, on a communicator that fails separately. After `world` has
  // failed, the ranks save the last whole step over the twin. Null: they can't,
  // or there is one rank.
  comm::Communicator* twin = nullptr;
};

// Trains, evaluates, and writes checkpoints and, in log.directory,
// metrics.jsonl, memory.json, run.json, config.toml and, if asked for,
// trace.json. `config` must be resolved and valid. Collective over the ranks:
// all read the same files, the first one writes. If something would keep it
// from saving, it throws Error before the first step. If a rank throws outside
// an update and all still answer, the weights and states of the last step are
// saved before the Error is rethrown.
void run_training(const Config& config, const RunOptions& options);

}  // namespace dure::train
