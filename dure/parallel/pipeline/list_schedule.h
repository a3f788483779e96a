// A list scheduler: makes programs of split backwards by going through time.
//
// F, B and W of a chunk take a slot each. When a rank is free it does the first
// it can of F and B, or else a W. No schedule hangs: of what a rank holds so
// much is left for later chunks that its oldest micro-batch can always go on.
#pragma once

#include <vector>

#include "dure/parallel/pipeline/schedule.h"

namespace dure::parallel {

struct ListRules {
  int most = 1;                // activations of chunks that a rank holds
  int most_of_first = 1;       // of them, of its first chunk; less than `most`,
                               // where there are two chunks
  Pass prefer = Pass::kInput;  // where a rank can go either way, or kForward
  int back_first = 0;          // the chunk that goes back first
  int message = 0;             // quarters of a slot from a rank to another
};

// Of one chunk a rank, or two.
std::vector<Program> list_schedule(const ScheduleOptions& options,
                                   const ListRules& rules);

}  // namespace dure::parallel
