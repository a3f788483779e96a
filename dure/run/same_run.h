// Whether a resumed run reads the samples that the one before would have read.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/config/config.h"
#include "dure/data/data_identity.h"
#include "dure/run/trainer_file.h"

namespace dure::train {

// A checkpoint's documents beside weights and states, and the data they belong
// to.
struct RunDocuments {
  std::map<std::string, std::string> tokenizer = {};  // its files
  data::DataIdentity data = {};
  std::int64_t epochs = 0;    // of the training data
  std::string from = {};      // where the first weights came from
  std::string products = {};  // run_products.h; empty: none
};

// The sample order of a run that resumes from `checkpoint`, or begins if that
// is empty. A resumed run keeps the checkpoint's order, unless
// checkpoint.accept_changed says otherwise.
data::SampleOrder order_after(const Path& checkpoint, const Config& config);

// Throws Error if a run of `config` would differ from that of the checkpoint,
// whose trainer.json is `before`: by the optimizer, or by the samples read so
// far, unless checkpoint.accept_changed allows it. It names the difference.
// `log` gets changes that are harmless. Called on one rank of a run.
void expect_same_run(const checkpoint::CheckpointReader& reader,
                     TrainerFile before,
                     const Config& config,
                     const RunDocuments& documents,
                     const Log& log);

}  // namespace dure::train
