// The configuration of a run: every section of the TOML file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dure/base/arithmetic.h"
#include "dure/config/precision.h"
#include "dure/config/profile_file.h"
#include "dure/data/config.h"
#include "dure/mesh/fit.h"
#include "dure/mesh/mesh.h"
#include "dure/model/activation_policy.h"
#include "dure/model/config.h"
#include "dure/optim/config.h"
#include "dure/parallel/data/reshard.h"
#include "dure/parallel/pipeline/schedule.h"
#include "dure/tensor/device.h"

namespace dure::train {

enum class OnNonfinite : std::uint8_t { kStop, kSkip };

struct TrainConfig {
  std::string from = {};  // weights, as checkpoint::find_weights() takes them
  std::int64_t steps = 1000;
  std::int64_t global_batch = 8;
  std::int64_t micro_batch = 0;  // 0: the most that divides, up to 8
  std::vector<std::int64_t> batch_rampup = {};  // see ramp_up.h
  std::int64_t seed = 1234;
  Device device = Device::kCpu;
  std::int64_t threads = 0;         // 0: all cores
  std::int64_t evaluate_every = 0;  // 0: never
  std::int64_t evaluate_steps = 10;
  std::int64_t check_replicas_every = 0;  // 0: never
  OnNonfinite on_nonfinite = OnNonfinite::kStop;

  bool operator==(const TrainConfig&) const = default;
};

struct ParallelConfig {
  std::int64_t tensor = 1;
  bool sequence = false;  // the residual stream is cut over tensor's ranks
  std::int64_t pipeline = 1;
  parallel::ScheduleKind schedule = parallel::ScheduleKind::k1F1B;
  std::int64_t virtual_stages = 0;  // of a rank; 0: what the schedule needs
  std::string split = "even";       // see model/stage_split.h
  std::string profile = {};         // a file, for split = "profile"
  // The contents of that file, once load_config() has read it: no key.
  std::optional<ProfileFile> measured = std::nullopt;
  std::int64_t drain_every = 50;  // steps, for schedules without a flush
  std::int64_t context = 1;
  std::int64_t expert = 1;
  std::int64_t data = mesh::kAuto;  // kAuto: the ranks that are left
  std::string order = mesh::text_of(mesh::kMegatronOrder);
  std::int64_t zero = 0;
  std::int64_t zero_group = 0;  // 0: all ranks that share a batch
  std::int64_t prefetch_layers = 1;
  parallel::Reshard gather = parallel::Reshard::kAfterUse;  // at stage 3
  double bucket_mb = 25;
  double first_bucket_mb = 1;
  comm::SumOrder sums = comm::SumOrder::kFast;

  bool operator==(const ParallelConfig&) const = default;
};

// How much of its logits the head's forward saves (model::Logits).
enum class LogitsMemory : std::uint8_t { kBlocks, kWhole };

struct MemoryConfig {
  model::Recompute recompute = model::Recompute::kNone;
  bool partition_checkpoints = false;  // over parallel.tensor's ranks
  LogitsMemory logits = LogitsMemory::kBlocks;
  double limit_gib = 0;  // 0: no limit

  std::size_t limit_bytes() const {
    return static_cast<std::size_t>(limit_gib * kGib);
  }
  bool operator==(const MemoryConfig&) const = default;
};

// The settings that a resumed run may change against the one before, if
// checkpoint.accept_changed names them (trainer_file.h).
inline constexpr std::string_view kAcceptableChanges[] = {
    "batch", "data", "order", "seed", "sequence", "tokenizer"};

struct CheckpointConfig {
  std::string directory = {};  // empty: "checkpoints" in log.directory
  std::int64_t every = 1000;   // 0: only at the end
  std::int64_t keep = 3;       // 0: all
  std::vector<std::string> accept_changed = {};  // kAcceptableChanges

  bool operator==(const CheckpointConfig&) const = default;
};

struct LogConfig {
  std::string directory = "out/run";
  std::int64_t every = 0;                     // 0: by time
  std::int64_t gradient_histogram_every = 0;  // 0: never
  bool trace = false;

  bool operator==(const LogConfig&) const = default;
};

struct CommConfig {
  double timeout = 600;  // seconds
  bool check = false;

  bool operator==(const CommConfig&) const = default;
};

struct Config {
  model::ModelConfig model = {};
  data::DataConfig data = {};
  TrainConfig train = {};
  optim::OptimizerConfig optimizer = {};
  ParallelConfig parallel = {};
  CommConfig comm = {};
  PrecisionConfig precision = {};
  MemoryConfig memory = {};
  CheckpointConfig checkpoint = {};
  LogConfig log = {};

  bool operator==(const Config&) const = default;
};

void visit(Fields& fields, Config& config);

// Fills in "auto" values from others, except parallel.data: that needs the
// number of ranks, and take_ranks() fills it in (load_config.h).
Config resolve(Config config);

// Throws UsageError for values out of range or that contradict each other. The
// config must be resolved.
void validate(const Config& config);

// The most, up to 8, by which so many ranks can share every global batch, in a
// multiple of parallel.pipeline micro-batches if there are enough samples. If
// every micro-batch is an update, it is all of a rank's samples.
std::int64_t default_micro_batch(const Config& config, std::int64_t ranks);

// The activations that blocks save for their backward. If parallel.sequence
// cuts the stream, what is saved of it is a part already.
model::ActivationPolicy activation_policy(const Config& config);

// The value of parallel.order. Throws UsageError.
mesh::Order order_of(const ParallelConfig& parallel);

// The mesh of so many ranks, with data filled in if it is auto. Throws
// UsageError if they do not make one, and lists the numbers that would.
mesh::Mesh mesh_of(const ParallelConfig& parallel, int ranks);

// The ranks of a run, with data 1 if it is auto; and those of a group over
// these axes. A product over mesh::kMostRanks may be cut off at some number
// over it.
std::int64_t ranks_of(const ParallelConfig& parallel);
std::int64_t ranks_of(const ParallelConfig& parallel, mesh::AxisSet axes);

}  // namespace dure::train
