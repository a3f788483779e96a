#include <algorithm>
#include <string>

#include "dure/base/check.h"
#include "dure/parallel/pipeline/schedule.h"

namespace dure::parallel {
namespace {

template <typename... Parts>
void require(bool holds, const Parts&... parts) {
  if (!holds) {
    throw UsageError(concat(parts...));
  }
}

std::string quoted(ScheduleKind kind) {
  return concat("parallel.schedule \"", name_of(kind), "\"");
}

// "8", or "8 or 12": the multiples of `unit` next to `count`.
std::string nearest_multiples(int count, int unit) {
  const int below = count / unit * unit;
  return below == 0 ? concat(unit) : concat(below, " or ", below + unit);
}

void validate_sizes(const ScheduleOptions& options) {
  require(options.stages >= 1,
          "wanted parallel.pipeline of 1 or more, got ",
          options.stages);
  require(options.micro_batches >= 1,
          "wanted one micro-batch or more, got ",
          options.micro_batches);
  require(options.chunks >= 1,
          "wanted parallel.virtual_stages of 1 or more, got ",
          options.chunks);
}

void validate_chunks(const ScheduleOptions& options) {
  const int v = options.chunks;
  if (options.kind == ScheduleKind::kZbV) {
    require(v == 2,
            quoted(options.kind),
            " has two chunks of layers on every rank, there and back: wanted "
            "parallel.virtual_stages = 2, got ",
            v);
  } else if (options.kind != ScheduleKind::kInterleaved) {
    require(v == 1,
            quoted(options.kind),
            " has one chunk of layers a rank: wanted parallel.virtual_stages "
            "= 1, got ",
            v,
            "; more are for parallel.schedule \"interleaved\"");
  }
}

void validate_interleaved(const ScheduleOptions& options) {
  const int p = options.stages;
  const int m = options.micro_batches;
  require(m % p == 0,
          quoted(options.kind),
          " takes micro-batches in rounds of as many as there are stages: "
          "wanted a multiple of parallel.pipeline = ",
          p,
          ", got ",
          m,
          "; ",
          nearest_multiples(m, p),
          " would do, or parallel.schedule \"1f1b\"");
}

void validate_updates(const ScheduleOptions& options) {
  const int least =
      options.kind == ScheduleKind::kPipedream2bw ? options.stages : 1;
  if (options.kind == ScheduleKind::kPipedream) {
    require(options.micro_batches_per_update == 1,
            quoted(options.kind),
            " updates after every micro-batch: wanted 1 an update, got ",
            options.micro_batches_per_update,
            "; parallel.schedule \"pipedream-2bw\" takes parallel.pipeline = ",
            options.stages,
            " or more");
  }
  require(options.micro_batches_per_update >= least,
          quoted(options.kind),
          " keeps two versions of the weights, so an update needs as many "
          "micro-batches as there are stages: wanted ",
          least,
          " or more, got ",
          options.micro_batches_per_update,
          "; fewer stages would do, or a larger train.global_batch");
  require(options.micro_batches % options.micro_batches_per_update == 0,
          quoted(options.kind),
          ": wanted micro-batches for whole updates of ",
          options.micro_batches_per_update,
          ", got ",
          options.micro_batches,
          "; ",
          nearest_multiples(options.micro_batches,
                            options.micro_batches_per_update),
          " would do");
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
