// Schedules without a flush: the pipeline stays full from update to update.
#include "dure/parallel/pipeline/families.h"

namespace dure::parallel {

// 1F1B's order, with an update after the last backward of each
// `micro_batches_per_update`.
Program asynchronous_program(const ScheduleOptions& options, int rank) {
  Program program;
  for (const Action& action : one_f_one_b_program(options, rank)) {
    program.push_back(action);
    if (action.pass == Pass::kBackward &&
        (action.micro_batch + 1) % options.micro_batches_per_update == 0) {
      program.push_back(
          {.pass = Pass::kUpdate, .micro_batch = action.micro_batch});
    }
  }
  return program;
}

}  // namespace dure::parallel
