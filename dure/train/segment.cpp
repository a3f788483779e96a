#include "dure/train/segment.h"

#include <algorithm>

namespace dure::train {

using parallel::Pass;
using parallel::Program;

Segment plan_segment(const Pipeline& pipeline,
                     int rank,
                     int micro_batches,
                     int steps) {
  parallel::ScheduleOptions options = schedule_of(pipeline, micro_batches);
  options.micro_batches *= steps;
  Segment segment{.program = program_of(options, rank),
                  .versions = parallel::is_synchronous(options.kind)
                                  ? std::vector<int>()
                                  : versions_read(options, rank),
                  .visits = {}};
  const Program& all = segment.program;
  for (auto first = all.begin(); first != all.end();) {
    auto last = std::find_if(first, all.end(), [](const auto& action) {
      return action.pass == Pass::kUpdate;
    });
    last += last != all.end() ? 1 : 0;
    segment.visits.push_back(visits_of({first, last}, pipeline, rank));
    first = last;
  }
  return segment;
}

std::int64_t steps_of_segment(const Config& config, std::int64_t step) {
  if (parallel::is_synchronous(config.parallel.schedule)) {
    return 1;
  }
  std::int64_t steps = config.train.steps - step;
  for (const std::int64_t every : {config.parallel.drain_every,
                                   config.train.evaluate_every,
                                   config.train.check_replicas_every,
                                   config.checkpoint.every}) {
    if (every > 0) {
      steps = std::min(steps, every - step % every);
    }
  }
  return std::max<std::int64_t>(steps, 1);
}

}  // namespace dure::train
