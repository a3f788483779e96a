#include <algorithm>
#include <fmt/core.h>
#include <string>
#include <utility>

#include "dure/base/check.h"
#include "dure/parallel/pipeline/schedule.h"

namespace dure::parallel {
namespace {

// Throws UsageError with the message, a format string of fmt.
template <typename... Args>
void require(bool holds, fmt::format_string<Args...> message, Args&&... args) {
  if (!holds) {
    throw UsageError(message, std::forward<Args>(args)...);
  }
}

std::string quoted(ScheduleKind kind) {
  return fmt::format("parallel.schedule \"{}\"", name_of(kind));
}

// "8", or "8 or 12": the multiples of `unit` next to `count`.
std::string nearest_multiples(int count, int unit) {
  const int below = count / unit * unit;
  return below == 0 ? fmt::format("{}", unit)
                    : fmt::format("{} or {}", below, below + unit);
}

void validate_sizes(const ScheduleOptions& options) {
  require(options.ranks >= 1,
          "wanted parallel.pipeline of 1 or more, got {}",
          options.ranks);
  require(options.micro_batches >= 1,
          "wanted one micro-batch or more, got {}",
          options.micro_batches);
  require(options.chunks >= 1,
          "wanted parallel.virtual_stages of 1 or more, got {}",
          options.chunks);
}

void validate_chunks(const ScheduleOptions& options) {
  const int v = options.chunks;
  if (options.kind == ScheduleKind::kZbV) {
    require(v == 2,
            "{} has two chunks of layers on every rank, there and back: wanted "
            "parallel.virtual_stages = 2, got {}",
            quoted(options.kind),
            v);
  } else if (options.kind != ScheduleKind::kInterleaved) {
    require(v == 1,
            "{} has one chunk of layers a rank: wanted parallel.virtual_stages "
            "= 1, got {}; more are for parallel.schedule \"interleaved\"",
            quoted(options.kind),
            v);
  }
}

void validate_interleaved(const ScheduleOptions& options) {
  const int p = options.ranks;
  const int m = options.micro_batches;
  require(m % p == 0,
          "{} takes micro-batches in rounds of as many as there are stages: "
          "wanted a multiple of parallel.pipeline = {}, got {}; {} would do, "
          "or parallel.schedule \"1f1b\"",
          quoted(options.kind),
          p,
          m,
          nearest_multiples(m, p));
}

void validate_updates(const ScheduleOptions& options) {
  const int least =
      options.kind == ScheduleKind::kPipedream2bw ? options.ranks : 1;
  if (options.kind == ScheduleKind::kPipedream) {
    require(options.micro_batches_per_update == 1,
            "{} updates after every micro-batch: wanted 1 an update, got {}; "
            "parallel.schedule \"pipedream-2bw\" takes parallel.pipeline = {} "
            "or more",
            quoted(options.kind),
            options.micro_batches_per_update,
            options.ranks);
  }
  require(options.micro_batches_per_update >= least,
          "{} keeps two versions of the weights, so an update needs as many "
          "micro-batches as there are stages: wanted {} or more, got {}; fewer "
          "stages would do, or a larger train.global_batch",
          quoted(options.kind),
          least,
          options.micro_batches_per_update);
  require(
      options.micro_batches % options.micro_batches_per_update == 0,
      "{}: wanted micro-batches for whole updates of {}, got {}; {} would do",
      quoted(options.kind),
      options.micro_batches_per_update,
      options.micro_batches,
      nearest_multiples(options.micro_batches,
                        options.micro_batches_per_update));
}

}  // namespace

void validate(const ScheduleOptions& options) {
  validate_sizes(options);
  validate_chunks(options);
  if (options.kind == ScheduleKind::kInterleaved) {
    validate_interleaved(options);
  }
  if (!is_synchronous(options.kind)) {
    validate_updates(options);
  }
}

}  // namespace dure::parallel
