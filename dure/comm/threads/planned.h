// A collective of threads by an algorithm's plan, in place of the direct way.
#pragma once

#include <cstddef>
#include <vector>

#include "dure/comm/collective.h"
#include "dure/comm/threads/mailbox.h"
#include "dure/comm/threads/team.h"

namespace dure::comm {

// Whether there is a plan for it.
bool is_planned(const Request& request);

// Carries it out as `rank`, by messages through a mailbox that nobody else uses
// meanwhile. `scratch` grows as needed. Throws Timeout or Aborted.
void run_plan(const Request& request,
              int rank,
              Team& team,
              Mailbox& mailbox,
              std::vector<std::byte>& scratch);

}  // namespace dure::comm
