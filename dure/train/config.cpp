#include "dure/train/config.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/fields.h"
#include "dure/base/files.h"
#include "dure/train/ramp_up.h"

namespace dure::train {
namespace {

constexpr Choice<Device> kDevices[] = {
    {"cpu", Device::kCpu},
    {"sim", Device::kSim},
};

constexpr Choice<OnNonfinite> kOnNonfinites[] = {
    {"stop", OnNonfinite::kStop},
    {"skip", OnNonfinite::kSkip},
};

constexpr Choice<Compute> kComputes[] = {
    {"fp32", Compute::kFp32},
};

// Keeps samples and tokens of a run within 64 bits.
constexpr std::int64_t kMostSteps = std::int64_t{1} << 31;
constexpr std::int64_t kMostBatch = std::int64_t{1} << 24;

void visit(Fields& fields, TrainConfig& c) {
  fields.section("train", "How long, how much at once, and where.");
  fields.whole("steps",
               c.steps,
               "Global batches to train on.",
               {.least = 1, .most = kMostSteps});
  fields.whole("global_batch",
               c.global_batch,
               "Samples an update is made from.",
               {.least = 1, .most = kMostBatch});
  fields.whole("micro_batch",
               c.micro_batch,
               "Samples that go through the model at once; auto: the most, up "
               "to 8, that divide every global batch.",
               {.least = 1, .most = kMostBatch, .automatic = 0});
  fields.wholes("batch_rampup",
                c.batch_rampup,
                "[start, increment, samples]: the global batch grows from "
                "start by increment, evenly over so many samples; []: never.",
                {.least = 1, .most = std::int64_t{1} << 50});
  fields.whole("seed",
               c.seed,
               "Decides first weights, the order of the data and dropout.");
  fields.choice("device",
                c.device,
                "Where to compute; sim only counts time and memory.",
                kDevices);
  fields.whole(
      "threads", c.threads, "CPU threads; 0: one a core.", {.most = 4096});
  fields.whole("evaluate_every",
               c.evaluate_every,
               "Steps between losses on validation data; 0: never.");
  fields.whole("evaluate_steps",
               c.evaluate_steps,
               "Global batches such a loss is the mean of.",
               {.least = 1, .most = kMostSteps});
  fields.choice("on_nonfinite",
                c.on_nonfinite,
                "What a NaN or infinity in loss or gradients does: stop the "
                "run, or skip the update.",
                kOnNonfinites);
}

void visit(Fields& fields, ParallelConfig& c) {
  fields.section("parallel", "How the work is shared; one rank as yet.");
  const Whole size{.least = 1, .most = mesh::kMostRanks};
  fields.whole("tensor", c.tensor, "Ranks that share each matrix.", size);
  fields.whole("pipeline", c.pipeline, "Ranks that share the blocks.", size);
  fields.whole("context", c.context, "Ranks that share a sequence.", size);
  fields.whole("expert",
               c.expert,
               "Ranks that share a layer's experts; of all else they hold the "
               "same, and share a batch.",
               size);
  fields.whole("data",
               c.data,
               "Ranks that share a batch; auto: as many as are left.",
               {.least = 1, .most = size.most, .automatic = mesh::kAuto});
  fields.text("order",
              c.order,
              "The axes, fastest from rank to rank first; also as "
              "tp-cp-ep-dp-pp.");
}

void visit(Fields& fields, PrecisionConfig& c) {
  fields.section("precision", "Number formats.");
  fields.choice(
      "compute", c.compute, "Of activations and matrix products.", kComputes);
}

void visit(Fields& fields, MemoryConfig& c) {
  fields.section("memory", "What tensors may take.");
  fields.number("limit_gib",
                c.limit_gib,
                "GiB for all tensors of a rank; 0: no limit.",
                {.most = 1 << 20});
}

void visit(Fields& fields, CheckpointConfig& c) {
  fields.section("checkpoint", "What is saved to go on from.");
  fields.text("directory",
              c.directory,
              "Where checkpoints go; empty: checkpoints in log.directory.");
  fields.whole(
      "every", c.every, "Steps between checkpoints; 0: only at the end.");
  fields.whole("keep", c.keep, "The latest so many are kept; 0: all.");
}

void visit(Fields& fields, LogConfig& c) {
  fields.section("log", "What is written about a run.");
  fields.text("directory", c.directory, "Where the files of a run go.");
  fields.whole(
      "every", c.every, "Steps between lines on the terminal.", {.least = 1});
  fields.flag("trace", c.trace, "Whether to write trace.json, of every step.");
}

// The largest divisor of every global batch of the run, up to 8.
std::int64_t default_micro_batch(const TrainConfig& train) {
  std::int64_t common = train.global_batch;
  if (train.batch_rampup.size() == 3) {
    common = std::gcd(common, train.batch_rampup[0]);
    common = std::gcd(common, train.batch_rampup[1]);
  }
  std::int64_t micro_batch = std::clamp<std::int64_t>(common, 1, 8);
  while (common % micro_batch != 0) {
    --micro_batch;
  }
  return micro_batch;
}

void check_one_rank(const char* key, std::int64_t ranks) {
  if (ranks != 1) {
    throw UsageError(concat("parallel.",
                            key,
                            ": wanted 1, got ",
                            ranks,
                            ": this version trains on one rank"));
  }
}

mesh::Order order_of(const ParallelConfig& parallel) {
  try {
    return mesh::parse_order(parallel.order);
  } catch (const UsageError& error) {
    throw UsageError(concat("parallel.order: ", error.what()));
  }
}

void validate(const ParallelConfig& parallel) {
  check_one_rank("tensor", parallel.tensor);
  check_one_rank("pipeline", parallel.pipeline);
  check_one_rank("context", parallel.context);
  check_one_rank("expert", parallel.expert);
  check_one_rank("data", std::max<std::int64_t>(parallel.data, 1));
  order_of(parallel);
}

void validate_data(const Config& config) {
  if (config.data.sequence > config.model.max_sequence) {
    throw UsageError(concat("data.sequence: wanted at most ",
                            "model.max_sequence, ",
                            config.model.max_sequence,
                            ", got ",
                            config.data.sequence));
  }
  if (config.train.evaluate_every > 0 && config.data.validation.empty() &&
      config.data.split.empty()) {
    throw UsageError(
        concat("train.evaluate_every: wanted 0, or validation data in "
               "data.validation or by data.split, got ",
               config.train.evaluate_every,
               " and none"));
  }
}

}  // namespace

void visit(Fields& fields, Config& config) {
  visit(fields, config.model);
  visit(fields, config.data);
  visit(fields, config.train);
  visit(fields, config.optimizer);
  visit(fields, config.parallel);
  visit(fields, config.precision);
  visit(fields, config.memory);
  visit(fields, config.checkpoint);
  visit(fields, config.log);
}

Config resolve(Config config) {
  config.model = model::resolve(std::move(config.model));
  if (config.data.sequence == 0) {
    config.data.sequence = config.model.max_sequence;
  }
  if (config.train.micro_batch == 0) {
    config.train.micro_batch = default_micro_batch(config.train);
  }
  if (config.optimizer.decay_steps == 0) {
    config.optimizer.decay_steps = config.train.steps;
  }
  if (config.checkpoint.directory.empty()) {
    config.checkpoint.directory =
        (Path(config.log.directory) / "checkpoints").string();
  }
  return config;
}

void validate(const Config& config) {
  Config copy = config;
  Fields fields;
  visit(fields, copy);
  check(fields);
  model::validate(config.model);
  optim::validate(config.optimizer);
  validate(config.parallel);
  validate_batches(config.train);
  validate_data(config);
}

mesh::Mesh mesh_of(const ParallelConfig& parallel, int ranks) {
  const auto size = [](std::int64_t value) {
    return static_cast<int>(std::clamp<std::int64_t>(
        value, -1, mesh::kMostRanks + 1));  // others are refused as these are
  };
  const mesh::Mesh::Sizes sizes{.pipe = size(parallel.pipeline),
                                .data = size(parallel.data),
                                .context = size(parallel.context),
                                .expert = size(parallel.expert),
                                .tensor = size(parallel.tensor)};
  return mesh::Mesh(mesh::fit(sizes, ranks), order_of(parallel));
}

}  // namespace dure::train
