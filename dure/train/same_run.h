// Whether a run that goes on reads what the one before would have read.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/data/data_identity.h"
#include "dure/train/config.h"
#include "dure/train/trainer_file.h"

namespace dure::train {

// What a checkpoint holds beside weights and states, and what these belong to.
struct RunDocuments {
  std::map<std::string, std::string> tokenizer = {};  // its files
  data::DataIdentity data = {};
  std::int64_t epochs = 0;  // of the training data
  std::string from = {};    // where the first weights came from
};

// The order in which a run deals its samples that goes on from `checkpoint`, or
// begins where that is empty: its own, unless checkpoint.accept_changed says
// otherwise.
data::SampleOrder order_after(const Path& checkpoint, const Config& config);

// Throws Error where a run of `config` would be another than that of the
// checkpoint, whose trainer.json is `before`: another optimizer, or other
// samples than those that were read, unless checkpoint.accept_changed has them;
// it names what differs. `log` hears what changes by itself. On one rank of a
// run.
void expect_same_run(const checkpoint::CheckpointReader& reader,
                     TrainerFile before,
                     const Config& config,
                     const RunDocuments& documents,
                     const Log& log);

}  // namespace dure::train
