// The rules of a configuration beyond its fields' own ranges.
#include <algorithm>
#include <fmt/core.h>
#include <string>

#include "dure/base/check.h"
#include "dure/base/fields.h"
#include "dure/base/quote.h"
#include "dure/config/config.h"
#include "dure/config/pipeline.h"
#include "dure/config/ramp_up.h"
#include "dure/data/build_datasets.h"
#include "dure/model/families/keys.h"
#include "dure/optim/optimizer.h"

namespace dure::train {
namespace {

void check_one_rank(const char* key, std::int64_t ranks) {
  if (ranks != 1) {
    throw UsageError(
        "parallel.{}: wanted 1, got {}: this version shares batches and "
        "matrices, by parallel.data and parallel.tensor",
        key,
        ranks);
  }
}

void validate(const ParallelConfig& parallel) {
  check_one_rank("context", parallel.context);
  check_one_rank("expert", parallel.expert);
  if (parallel.zero_group > 0 && parallel.zero == 0) {
    throw UsageError(
        "parallel.zero_group: wanted parallel.zero of 1, 2 or 3 beside it, as "
        "without ZeRO nothing is shared out; got zero_group = {} and zero = 0",
        parallel.zero_group);
  }
  order_of(parallel);
  if (ranks_of(parallel) > mesh::kMostRanks) {  // each factor is at most that
    throw UsageError(
        "parallel.tensor, pipeline and data: wanted at most {} "
        "ranks in all, got {} x {} x {}",
        mesh::kMostRanks,
        parallel.tensor,
        parallel.pipeline,
        std::max<std::int64_t>(parallel.data, 1));
  }
}

void validate_tensor(const Config& config) {
  const std::int64_t tensor = config.parallel.tensor;
  model::validate_tensor(config.model, tensor, "parallel.tensor");
  if (config.parallel.sequence && config.data.sequence % tensor != 0) {
    throw UsageError(
        "parallel.sequence: wanted data.sequence to be a multiple "
        "of parallel.tensor, {}, got {}; {} and {} would do",
        tensor,
        config.data.sequence,
        config.data.sequence / tensor * tensor,
        (config.data.sequence / tensor + 1) * tensor);
  }
}

// Refuses features that take all stages at once, which are at different steps
// here.
void validate_without_flush(const Config& config) {
  const auto refuse = [&](const char* key, const std::string& why) {
    throw UsageError(
        "{} beside parallel.schedule \"{}\", whose stages are at "
        "different steps at any time: {}; parallel.schedule "
        "\"1f1b\" and \"zb-h1\" have no such limit",
        key,
        parallel::name_of(config.parallel.schedule),
        why);
  };
  if (config.optimizer.clip_gradient > 0) {
    refuse("optimizer.clip_gradient",
           fmt::format(
               "the norm is that of all stages' gradients, wanted 0, got {:g}",
               config.optimizer.clip_gradient));
  }
  if (config.precision.loss_scale == kDynamicScale) {
    refuse("precision.loss_scale",
           "none could skip an update that another has made, wanted a fixed "
           "scale, or precision.compute = \"bf16\", got \"dynamic\"");
  }
  if (config.train.on_nonfinite != OnNonfinite::kStop) {
    refuse("train.on_nonfinite",
           "one can't take back the update that another has left out, wanted "
           "\"stop\"");
  }
  if (config.parallel.pipeline > 1 && config.model.tie_embeddings) {
    refuse("model.tie_embeddings",
           "the first and the last would have to wait for one another with "
           "every update, wanted false");
  }
  if (config.parallel.zero == 3) {
    refuse("parallel.zero",
           "every rank keeps older versions of its weights, which are whole; "
           "wanted 0, 1 or 2, got 3");
  }
  if (!config.train.batch_rampup.empty()) {
    refuse("train.batch_rampup",
           "updates are from equally many micro-batches, wanted []");
  }
}

// Checks the settings for an optimizer that combines the ranks' gradients
// itself.
void validate_own_gradients(const Config& config) {
  const optim::OptimizerRow& row = *config.optimizer.name;
  if (row.gradients == kernels::GradientOf::kAllRanks) {
    return;
  }
  const auto refuse = [&](const char* key, const char* why, double got) {
    throw UsageError(
        "{} beside optimizer.name \"{}\", to which each rank gives "
        "gradients of its own samples: {}, wanted 0, got {:g}",
        key,
        row.name,
        why,
        got);
  };
  if (config.parallel.zero > 0) {
    refuse("parallel.zero",
           "every rank has all of them",
           static_cast<double>(config.parallel.zero));
  }
  if (config.optimizer.clip_gradient > 0) {
    refuse("optimizer.clip_gradient",
           "their sum, whose norm it limits, is never made",
           config.optimizer.clip_gradient);
  }
}

void validate_pipelined(const Config& config) {
  pipeline_of(config);
  if (!parallel::is_synchronous(config.parallel.schedule)) {
    validate_without_flush(config);
  }
}

void validate_data(const Config& config) {
  if (config.data.sequence > config.model.max_sequence) {
    throw UsageError(
        "data.sequence: wanted at most model.max_sequence, {}, got {}",
        config.model.max_sequence,
        config.data.sequence);
  }
  if (config.train.evaluate_every > 0 &&
      !data::gives(config.data, data::Part::kValidation)) {
    throw UsageError(
        "train.evaluate_every: wanted 0, or validation data in "
        "data.validation or by data.split, got {} and none",
        config.train.evaluate_every);
  }
}

// Other devices have no such products.
void validate_tf32(const Config& config) {
  if (config.precision.tf32 && config.train.device != Device::kCuda) {
    throw UsageError(
        "precision.tf32: wanted train.device = \"cuda\" beside true, as only a "
        "GPU has such products; set it to false, or choose a GPU");
  }
}

void validate(const MemoryConfig& memory) {
  if (memory.partition_checkpoints &&
      memory.recompute != model::Recompute::kFull) {
    throw UsageError(
        "memory.partition_checkpoints: wanted memory.recompute = \"full\" "
        "beside it: otherwise no block's input is kept alone");
  }
}

void validate(const CheckpointConfig& checkpoint) {
  for (const std::string& name : checkpoint.accept_changed) {
    const bool known = std::find(std::begin(kAcceptableChanges),
                                 std::end(kAcceptableChanges),
                                 name) != std::end(kAcceptableChanges);
    if (!known) {
      throw UsageError(
          "checkpoint.accept_changed: wanted some of \"batch\", \"data\", "
          "\"order\", \"seed\", \"sequence\" and \"tokenizer\", got {}",
          quoted(name));
    }
  }
}

}  // namespace

void validate(const Config& config) {
  if (config.log.directory.empty()) {
    throw UsageError("log.directory: wanted a directory, got \"\"");
  }
  Config copy = config;
  Fields fields;
  visit(fields, copy);
  check(fields);
  model::validate(config.model);
  optim::validate(config.optimizer);
  validate(config.precision);
  validate_tf32(config);
  validate(config.parallel);
  validate_tensor(config);
  validate(config.memory);
  validate(config.checkpoint);
  validate_own_gradients(config);
  validate_pipelined(config);
  validate_batches(config.train, 1);
  validate_data(config);
}

}  // namespace dure::train
