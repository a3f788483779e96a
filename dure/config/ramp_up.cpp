#include "dure/config/ramp_up.h"

#include <algorithm>
#include <fmt/core.h>

#include "dure/base/check.h"

namespace dure::train {
namespace {

struct RampUp {
  std::int64_t start = 0;
  std::int64_t increment = 0;
  std::int64_t samples = 0;
};

RampUp ramp_up(const TrainConfig& train) {
  if (train.batch_rampup.empty()) {
    return {.start = train.global_batch, .increment = 1, .samples = 1};
  }
  if (train.batch_rampup.size() != 3) {
    throw UsageError(
        "train.batch_rampup: wanted [start, increment, samples] or "
        "[], got {} numbers",
        train.batch_rampup.size());
  }
  return {.start = train.batch_rampup[0],
          .increment = train.batch_rampup[1],
          .samples = train.batch_rampup[2]};
}

void check_whole_micro_batches(const char* what,
                               std::int64_t batch,
                               const TrainConfig& train,
                               std::int64_t ranks) {
  const std::int64_t unit = train.micro_batch * ranks;
  if (batch % unit == 0) {
    return;
  }
  const std::int64_t below = batch / unit * unit;
  std::string wanted =
      fmt::format("{}: wanted a multiple of train.micro_batch, {}",
                  what,
                  train.micro_batch);
  if (ranks > 1) {
    wanted += fmt::format(
        ", times the {} ranks that share it, that is of {}", ranks, unit);
  }
  throw UsageError("{}, got {}{}{}",
                   wanted,
                   batch,
                   below > 0 ? fmt::format("; the nearest are {} and ", below)
                             : std::string("; the nearest is "),
                   below + unit);
}

}  // namespace

std::int64_t global_batch_after(std::int64_t consumed,
                                const TrainConfig& train) {
  const RampUp ramp = ramp_up(train);
  const std::int64_t increments =
      (train.global_batch - ramp.start) / ramp.increment;
  if (consumed >= ramp.samples || increments == 0) {
    return train.global_batch;
  }
  // It computes consumed / (samples / increments), without rounding the inner
  // quotient.
  const double done = static_cast<double>(consumed) *
                      static_cast<double>(increments) /
                      static_cast<double>(ramp.samples);
  return ramp.start + static_cast<std::int64_t>(done) * ramp.increment;
}

namespace {

// The number of steps, at least one, until batches are larger than the one that
// follows `consumed`.
std::int64_t steps_at_this_size(std::int64_t consumed,
                                std::int64_t batch,
                                const TrainConfig& train) {
  const RampUp ramp = ramp_up(train);
  const std::int64_t increments =
      (train.global_batch - ramp.start) / ramp.increment;
  const std::int64_t done = (batch - ramp.start) / ramp.increment;
  // The next size is due there, up to rounding, which the loops settle.
  const double due = static_cast<double>(ramp.samples) *
                     static_cast<double>(done + 1) /
                     static_cast<double>(increments);
  const auto is_larger = [&](std::int64_t steps) {
    return global_batch_after(consumed + steps * batch, train) > batch;
  };
  auto steps = std::max<std::int64_t>(
      1, (static_cast<std::int64_t>(due) - consumed) / batch);
  while (!is_larger(steps)) {
    ++steps;
  }
  while (steps > 1 && is_larger(steps - 1)) {
    --steps;
  }
  return steps;
}

}  // namespace

std::int64_t samples_of_run(const TrainConfig& train) {
  std::int64_t samples = 0;
  std::int64_t left = train.steps;
  while (left > 0) {
    const std::int64_t batch = global_batch_after(samples, train);
    const std::int64_t steps =
        batch == train.global_batch
            ? left
            : std::min(left, steps_at_this_size(samples, batch, train));
    samples += steps * batch;
    left -= steps;
  }
  return samples;
}

std::vector<std::int64_t> global_batches(const TrainConfig& train) {
  const RampUp ramp = ramp_up(train);
  std::vector<std::int64_t> sizes;
  for (std::int64_t size = ramp.start; size <= train.global_batch;
       size += ramp.increment) {
    sizes.push_back(size);
  }
  return sizes;
}

void validate_batches(const TrainConfig& train, std::int64_t ranks) {
  check_whole_micro_batches(
      "train.global_batch", train.global_batch, train, ranks);
  const RampUp ramp = ramp_up(train);
  if (ramp.start > train.global_batch ||
      (train.global_batch - ramp.start) % ramp.increment != 0) {
    throw UsageError(
        "train.batch_rampup: wanted whole increments of {} from {} "
        "to train.global_batch, got {}",
        ramp.increment,
        ramp.start,
        train.global_batch);
  }
  if (!train.batch_rampup.empty()) {
    check_whole_micro_batches(
        "train.batch_rampup start", ramp.start, train, ranks);
    check_whole_micro_batches(
        "train.batch_rampup increment", ramp.increment, train, ranks);
  }
}

}  // namespace dure::train
