// A training run, from a configuration to a trained model on disk.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "dure/base/log.h"
#include "dure/comm/communicator.h"
#include "dure/train/config.h"

namespace dure::train {

// Whether to go on from the newest checkpoint in checkpoint.directory, or from
// the start where there is none. Without it, a directory that holds checkpoints
// is refused, so that nothing is lost or mixed.
enum class Resume : std::uint8_t { kNo, kYes };

struct RunOptions {
  Resume resume = Resume::kNo;
  std::string config_text = {};  // the resolved configuration, for config.toml
  Log log = {};
  std::stop_token stop = {};            // asks to finish the step and save
  comm::Communicator* world = nullptr;  // the ranks; null: this one alone
};

// Trains, evaluates, writes metrics.jsonl, memory.json, config.toml and, where
// asked for, trace.json into log.directory, and checkpoints. `config` must be
// resolved and valid. Collective over the ranks: all read the same, the first
// one writes.
void run_training(const Config& config, const RunOptions& options);

// Samples that a run of train.steps reads.
std::int64_t samples_of_run(const TrainConfig& train);

}  // namespace dure::train
