#include "dure/plan/check_memory.h"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <optional>
#include <string>
#include <vector>

#include "dure/base/arithmetic.h"
#include "dure/base/check.h"
#include "dure/config/pipeline.h"
#include "dure/model/stage_split.h"
#include "dure/plan/predict.h"
#include "dure/plan/saving.h"

namespace dure::plan {
namespace {

using Stages = std::vector<MemoryPrediction>;

// The stage of a pipeline that needs the most.
struct Largest {
  int stage = 0;
  MemoryPrediction memory;
  std::size_t saving = 0;  // at once, while it saves
  std::size_t needed() const { return std::max(memory.high_water, saving); }
};

Largest largest_of(const train::Config& config, MicroBatches micro_batches) {
  const Stages stages = predict_stage_memory(config, micro_batches);
  Largest largest;
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const Largest here = {.stage = static_cast<int>(s),
                          .memory = stages[s],
                          .saving = peak_while_saving(config, stages, s)};
    if (here.needed() > largest.needed()) {
      largest = here;
    }
  }
  return largest;
}

// A whole step is run only if the holes between an arena's blocks, which depend
// on the number of micro-batches, could decide.
Largest largest_of(const train::Config& config) {
  constexpr double kHoles = 0.1;
  const Largest largest = largest_of(config, MicroBatches::kEnough);
  const auto bytes = static_cast<double>(largest.needed());
  const auto limit = static_cast<double>(config.memory.limit_bytes());
  const bool is_near = std::fabs(bytes - limit) <= kHoles * limit;
  return is_near && enough_micro_batches(config) < all_micro_batches(config)
             ? largest_of(config, MicroBatches::kAll)
             : largest;
}

bool is_within_limit(const train::Config& config) {
  return largest_of(config).needed() <= config.memory.limit_bytes();
}

// Whether the configuration is valid and its step fits.
bool is_valid_and_fits(const train::Config& config) {
  try {
    train::validate(config);
    train::validate_pipeline(config);
  } catch (const UsageError&) {
    return false;
  }
  return is_within_limit(config);
}

// The lowest higher ZeRO stage that fits.
std::optional<std::string> by_stage(train::Config config) {
  while (config.parallel.data > 1 && config.parallel.zero < 3) {
    ++config.parallel.zero;
    if (is_within_limit(config)) {
      return fmt::format("parallel.zero = {}", config.parallel.zero);
    }
  }
  return std::nullopt;
}

// The largest micro-batch that fits.
std::optional<std::string> by_micro_batch(train::Config config) {
  const std::int64_t now = config.train.micro_batch;
  for (std::int64_t less = now - 1; less >= 1; --less) {
    config.train.micro_batch = less;
    if (now % less == 0 && is_within_limit(config)) {
      return fmt::format("train.micro_batch = {}", less);
    }
  }
  return std::nullopt;
}

// The cheapest recomputation that fits.
std::optional<std::string> by_recompute(train::Config config) {
  using model::Recompute;
  struct Policy {
    Recompute recompute;
    const char* name;
  };
  for (const auto& [recompute, name] :
       {Policy{Recompute::kSelective, "selective"},
        Policy{Recompute::kFull, "full"}}) {
    if (config.memory.recompute < recompute) {
      config.memory.recompute = recompute;
      if (is_within_limit(config)) {
        return fmt::format("memory.recompute = \"{}\"", name);
      }
    }
  }
  return std::nullopt;
}

std::optional<std::string> by_logits(train::Config config) {
  if (config.memory.logits == train::LogitsMemory::kBlocks) {
    return std::nullopt;
  }
  config.memory.logits = train::LogitsMemory::kBlocks;
  return is_within_limit(config)
             ? std::optional<std::string>("memory.logits = \"blocks\"")
             : std::nullopt;
}

// The fewest ranks, by doubling, that fit and divide the batch.
std::optional<std::string> by_ranks(train::Config config) {
  if (config.parallel.zero == 0 || config.parallel.zero_group > 0) {
    return std::nullopt;  // each rank would keep as much
  }
  const std::int64_t samples =
      config.train.global_batch / config.train.micro_batch;
  while (samples % (2 * config.parallel.data) == 0) {
    config.parallel.data *= 2;
    if (is_within_limit(config)) {
      return fmt::format("{} ranks", train::ranks_of(config.parallel));
    }
  }
  return std::nullopt;
}

// The first schedule with less in flight that fits.
std::optional<std::string> by_schedule(train::Config config) {
  using parallel::ScheduleKind;
  const ScheduleKind now = config.parallel.schedule;
  for (const ScheduleKind kind : {ScheduleKind::k1F1B, ScheduleKind::kZbV}) {
    config.parallel.schedule = kind;
    config.parallel.virtual_stages = 0;
    config = train::resolve(config);
    if (config.parallel.pipeline > 1 && kind != now &&
        is_valid_and_fits(config)) {
      return fmt::format("parallel.schedule = \"{}\"", parallel::name_of(kind));
    }
  }
  return std::nullopt;
}

// The fewest stages, by doubling, that fit and for which there are enough
// layers and micro-batches.
std::optional<std::string> by_stages(train::Config config) {
  const std::int64_t layers = std::ssize(model::split_layers(config.model));
  while (2 * config.parallel.pipeline * config.parallel.virtual_stages <=
         layers) {
    config.parallel.pipeline *= 2;
    if (is_valid_and_fits(config)) {
      return fmt::format("parallel.pipeline = {} on {} ranks",
                         config.parallel.pipeline,
                         train::ranks_of(config.parallel));
    }
  }
  return std::nullopt;
}

std::string what_would_fit(const train::Config& config) {
  std::string text;
  for (const auto& way : {by_stage(config),
                          by_ranks(config),
                          by_schedule(config),
                          by_stages(config),
                          by_micro_batch(config),
                          by_logits(config),
                          by_recompute(config)}) {
    if (way) {
      text += fmt::format(
          "{}{}", text.empty() ? "any of these alone would fit: " : ", ", *way);
    }
  }
  return text.empty() ? "no higher parallel.zero, more ranks or stages, other "
                        "parallel.schedule, smaller train.micro_batch or "
                        "memory.recompute alone would fit: choose a smaller "
                        "model, or a higher memory.limit_gib"
                      : text;
}

std::string line(const std::string& name, std::size_t bytes) {
  return fmt::format(
      "\n  {}{}{}", name, std::string(24 - name.size(), ' '), bytes);
}

std::string describe(const train::Config& config, const Largest& largest) {
  const MemoryPrediction& memory = largest.memory;
  std::string text;
  for (std::size_t c = 0; c < kCategories; ++c) {
    text += line(name_of(static_cast<Category>(c)), memory.peak_bytes[c]);
  }
  text += line("at once, in a step", memory.high_water);
  if (largest.saving > memory.high_water) {
    text += line("at once, saving", largest.saving);
  }
  return text + line("allowed", config.memory.limit_bytes());
}

// "a rank of 8", "a rank of stage 0 of 4 (1f1b), of 8,".
std::string whose(const train::Config& config, int stage) {
  const std::int64_t ranks = train::ranks_of(config.parallel);
  return config.parallel.pipeline == 1
             ? fmt::format("a rank of {}", ranks)
             : fmt::format("a rank of stage {} of {} ({}), of {},",
                           stage,
                           config.parallel.pipeline,
                           parallel::name_of(config.parallel.schedule),
                           ranks);
}

}  // namespace

std::size_t check_memory(train::Config config, const MemoryShare& share) {
  const bool is_told = config.memory.limit_gib > 0;
  if (!is_told && share.bytes == 0) {
    return 0;
  }
  if (!is_told) {
    config.memory.limit_gib = static_cast<double>(share.bytes) / kGib;
  }
  const Largest largest = largest_of(config);
  if (largest.needed() <= config.memory.limit_bytes()) {
    return largest.needed();
  }
  throw UsageError(
      "{}: too little for {} with parallel.zero = {}; predicted peaks, in "
      "bytes:{}\n{}{}",
      is_told ? fmt::format("memory.limit_gib = {:g}", config.memory.limit_gib)
              : fmt::format("a rank's share of {}", share.of),
      whose(config, largest.stage),
      config.parallel.zero,
      describe(config, largest),
      what_would_fit(config),
      is_told ? ""
              : "\nor set memory.limit_gib to what a rank may take all the "
                "same, of swap space perhaps");
}

bool fits(const train::Config& config) {
  return config.memory.limit_gib == 0 || is_within_limit(config);
}

}  // namespace dure::plan
