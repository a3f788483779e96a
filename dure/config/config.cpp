#include "dure/config/config.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/fields.h"
#include "dure/base/files.h"
#include "dure/base/quote.h"
#include "dure/config/pipeline.h"
#include "dure/config/ramp_up.h"
#include "dure/data/build_datasets.h"
#include "dure/model/families/keys.h"

namespace dure::train {
namespace {

constexpr Choice<Device> kDevices[] = {
    {"cpu", Device::kCpu},
    {"cuda", Device::kCuda},
    {"sim", Device::kSim},
};

constexpr Choice<OnNonfinite> kOnNonfinites[] = {
    {"stop", OnNonfinite::kStop},
    {"skip", OnNonfinite::kSkip},
};

constexpr Choice<parallel::Reshard> kGathers[] = {
    {"each_use", parallel::Reshard::kAfterUse},
    {"once_a_step", parallel::Reshard::kAfterStep},
};

constexpr Choice<comm::SumOrder> kSums[] = {
    {"fast", comm::SumOrder::kFast},
    {"ranked", comm::SumOrder::kRanked},
};

constexpr Choice<LogitsMemory> kLogits[] = {
    {"blocks", LogitsMemory::kBlocks},
    {"whole", LogitsMemory::kWhole},
};
constexpr Choice<model::Recompute> kRecomputes[] = {
    {"none", model::Recompute::kNone},
    {"selective", model::Recompute::kSelective},
    {"full", model::Recompute::kFull},
};

// The limits keep the samples and tokens of a run within 64 bits.
constexpr std::int64_t kMostSteps = std::int64_t{1} << 31;
constexpr std::int64_t kMostBatch = std::int64_t{1} << 24;

void visit(Fields& fields, TrainConfig& c) {
  fields.section("train", "How long, how much at once, and where.");
  fields.text("from",
              c.from,
              "Weights to start from, of a checkpoint, the newest of a "
              "directory of them, or a Hugging Face model, which also gives "
              "the keys of [model]; empty: drawn by seed.");
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
               "to 8, that divide a rank's share of every global batch, so it "
               "depends on how many ranks there are.",
               {.least = 1, .most = kMostBatch, .automatic = 0});
  fields.wholes("batch_rampup",
                c.batch_rampup,
                "[start, increment, samples]: the global batch grows from "
                "start by increment, evenly over so many samples; []: never.",
                {.least = 1, .most = std::int64_t{1} << 50});
  fields.whole("seed",
               c.seed,
               "Decides first weights, the order of the data and dropout.");
  fields.choice(
      "device",
      c.device,
      "Where to compute: cpu; cuda, a GPU, on one rank; sim only counts time "
      "and memory.",
      kDevices);
  fields.whole("threads",
               c.threads,
               "CPU threads of a rank; 0: what OMP_NUM_THREADS says, or its "
               "share of the cores.",
               {.most = 4096});
  fields.whole("evaluate_every",
               c.evaluate_every,
               "Steps between losses on validation data; 0: never.");
  fields.whole("evaluate_steps",
               c.evaluate_steps,
               "Global batches such a loss is the mean of.",
               {.least = 1, .most = kMostSteps});
  fields.whole("check_replicas_every",
               c.check_replicas_every,
               "Steps between comparisons of what should be the same on "
               "several ranks; 0: never.");
  fields.choice("on_nonfinite",
                c.on_nonfinite,
                "What a NaN or infinity in loss or gradients does: stop the "
                "run, or skip the update.",
                kOnNonfinites);
}

void visit(Fields& fields, ParallelConfig& c) {
  fields.section("parallel", "How the work is shared among ranks.");
  const Whole size{.least = 1, .most = mesh::kMostRanks};
  fields.whole("tensor", c.tensor, "Ranks that share each matrix.", size);
  fields.flag("sequence",
              c.sequence,
              "Whether these cut norms, dropout and sums around the matrices "
              "by rows, too (Megatron's sequence parallelism).");
  fields.whole("pipeline",
               c.pipeline,
               "Ranks that have a stage of the layers each.",
               size);
  fields.choice("schedule",
                c.schedule,
                "In which order these go forward and backward.",
                parallel::schedules());
  fields.whole("virtual_stages",
               c.virtual_stages,
               "Stages that each of them has; auto: 2 where the schedule is of "
               "several, else 1.",
               {.least = 1, .most = 1024, .automatic = 0});
  fields.text_or_wholes(
      "split",
      c.split,
      "How the embedding, the blocks and the head are cut into stages: even; "
      "parameters or profile (measured times), where the largest or slowest "
      "stage is as small as can be; type:PATTERN, where that of matching "
      "layers is; or so many of them each, as [4, 3, 3, 4].");
  fields.text("profile",
              c.profile,
              "What `dure plan profile` measured, for split = profile.");
  fields.whole("drain_every",
               c.drain_every,
               "Steps after which a schedule without a flush runs empty: then "
               "losses are written and signals heard.",
               {.least = 1, .most = 1 << 20});
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
  fields.whole("zero",
               c.zero,
               "ZeRO's stage: 1 shares optimizer states out over the ranks "
               "that share a batch, 2 gradients too, 3 weights too.",
               {.most = 3});
  fields.whole("zero_group",
               c.zero_group,
               "Neighbours that share these out; 0: all that share a batch.",
               {.most = mesh::kMostRanks});
  fields.whole("prefetch_layers",
               c.prefetch_layers,
               "Layers whose weights are gathered ahead, at stage 3.",
               {.most = 1024});
  fields.choice("gather",
                c.gather,
                "How long stage 3 keeps gathered weights: each_use, until the "
                "layer has run; once_a_step, until the last micro-batch that "
                "reads them.",
                kGathers);
  fields.number("bucket_mb",
                c.bucket_mb,
                "MiB of gradients that are reduced at a time.",
                {.least = 1e-3, .most = 1 << 20});
  fields.number("first_bucket_mb",
                c.first_bucket_mb,
                "The same of the first bucket, which should leave early: at "
                "most bucket_mb.",
                {.least = 1e-3, .most = 1 << 20});
  fields.choice("sums",
                c.sums,
                "ranked: gradients are added up in the order of the samples, "
                "and what tensor ranks add up in their order, so that, for the "
                "same train.micro_batch, neither data, zero nor the back end "
                "changes a bit.",
                kSums);
}

void visit(Fields& fields, CommConfig& c) {
  fields.section("comm", "How ranks talk.");
  fields.number("timeout",
                c.timeout,
                "Seconds after which a collective that waits ends the run.",
                {.least = 1e-3, .most = 1e9});
  fields.flag("check",
              c.check,
              "Compare what ranks are about to do before they do it.");
}

void visit(Fields& fields, MemoryConfig& c) {
  fields.section("memory", "What tensors may take.");
  fields.choice("recompute",
                c.recompute,
                "What the backward makes again instead of its being kept: "
                "selective: the outputs of norms and activations; full: all "
                "of a block but its input.",
                kRecomputes);
  fields.flag("partition_checkpoints",
              c.partition_checkpoints,
              "Whether parallel.tensor's ranks keep a part each of a block's "
              "input, with recompute = \"full\" (ZeRO-R).");
  fields.choice("logits",
                c.logits,
                "What a training pass keeps of the logits: blocks: the head "
                "makes its gradients in its forward, a block of rows at a "
                "time; whole: all of a micro-batch's until its backward, "
                "which evens out the passes of a pipeline's last stage.",
                kLogits);
  fields.number(
      "limit_gib",
      c.limit_gib,
      "GiB for all tensors of a rank; 0: its share of what the machine, "
      "or the container, has.",
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
  fields.texts("accept_changed",
               c.accept_changed,
               "What --resume may find changed since the checkpoint, of batch, "
               "data, order, seed, sequence and tokenizer.");
}

void visit(Fields& fields, LogConfig& c) {
  fields.section("log", "What is written about a run.");
  fields.text("directory", c.directory, "Where the files of a run go.");
  fields.whole("every",
               c.every,
               "Steps between lines of progress; 0: a line every ten seconds, "
               "or one that is redrawn. metrics.jsonl has every step.");
  fields.whole("gradient_histogram_every",
               c.gradient_histogram_every,
               "Steps between histograms of the gradients' exponents in "
               "metrics.jsonl; 0: never.");
  fields.flag("trace", c.trace, "Whether to write trace.json, of every step.");
}

std::int64_t default_chunks(parallel::ScheduleKind kind) {
  return kind == parallel::ScheduleKind::kInterleaved ||
                 kind == parallel::ScheduleKind::kZbV
             ? 2
             : 1;
}

}  // namespace

void visit(Fields& fields, Config& config) {
  visit(fields, config.model);
  visit(fields, config.data);
  visit(fields, config.train);
  visit(fields, config.optimizer);
  visit(fields, config.parallel);
  visit(fields, config.comm);
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
    config.train.micro_batch = default_micro_batch(config, 1);
  }
  if (config.parallel.virtual_stages == 0) {
    config.parallel.virtual_stages = default_chunks(config.parallel.schedule);
  }
  config.parallel.first_bucket_mb =
      std::min(config.parallel.first_bucket_mb, config.parallel.bucket_mb);
  optim::resolve(config.optimizer, config.train.steps);
  resolve(config.precision);
  if (config.checkpoint.directory.empty()) {
    config.checkpoint.directory =
        (Path(config.log.directory) / "checkpoints").string();
  }
  return config;
}

std::int64_t default_micro_batch(const Config& config, std::int64_t ranks) {
  const TrainConfig& train = config.train;
  const std::int64_t stages = config.parallel.pipeline;
  std::int64_t common = train.global_batch;
  if (train.batch_rampup.size() == 3) {
    common = std::gcd(common, train.batch_rampup[0]);
    common = std::gcd(common, train.batch_rampup[1]);
  }
  if (common % ranks != 0) {
    return 1;  // what is refused names every batch that would do
  }
  const std::int64_t of_rank = common / ranks;
  if (config.parallel.schedule == parallel::ScheduleKind::kPipedream) {
    return of_rank;  // an update each
  }
  std::int64_t micro_batch = std::clamp<std::int64_t>(of_rank / stages, 1, 8);
  while (of_rank % micro_batch != 0 ||
         (micro_batch > 1 && of_rank / micro_batch % stages != 0)) {
    --micro_batch;
  }
  return micro_batch;
}

}  // namespace dure::train
