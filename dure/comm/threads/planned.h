// A collective of threads by an algorithm's plan instead of directly.
#pragma once

#include <cstddef>
#include <vector>

#include "dure/comm/collective.h"
#include "dure/comm/threads/mailbox.h"
#include "dure/comm/threads/team.h"

namespace dure::comm {

// Whether the request has a plan.
bool is_planned(const Request& request);

// Carries it out as `rank`, by messages through a mailbox that nobody else uses
// at the time. `scratch` grows as needed. Throws Timeout or Aborted.
void run_plan(const Request& request,
              int rank,
              Team& team,
              Mailbox& mailbox,
              std::vector<std::byte>& scratch);

}  // namespace dure::comm
