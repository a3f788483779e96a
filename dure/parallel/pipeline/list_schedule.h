// A list scheduler: makes programs with split backwards by simulating time.
//
// F, B and W of a chunk take a slot each. A free rank does the first F or B
// that it can, or else a W. No schedule hangs: a rank always leaves enough room
// for its later chunks that its oldest micro-batch can go on.
#pragma once

#include <vector>

#include "dure/parallel/pipeline/schedule.h"

namespace dure::parallel {

struct ListRules {
  int most = 1;           // activations that a rank holds, of all chunks
  int most_of_first = 1;  // of its first chunk; less than `most` if there
                          // are two chunks
  Pass prefer =
      Pass::kInputGradient;  // which of kInputGradient and kForward goes first
  int back_first = 0;        // the chunk that prefers to go backward
  int message = 0;           // the time of a message, in quarters of a slot
};

// Takes one chunk a rank, or two.
std::vector<Program> list_schedule(const ScheduleOptions& options,
                                   const ListRules& rules);

}  // namespace dure::parallel
