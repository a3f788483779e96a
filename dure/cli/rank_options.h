// The options of commands that run on ranks.
#pragma once

#include "dure/launch/with_ranks.h"

namespace CLI {  // NOLINT(readability-identifier-naming): its own
class App;
}  // namespace CLI

namespace dure::cli {

// --ranks, --comm-timeout, --check-collectives.
void add_rank_options(CLI::App& command, launch::RankOptions& options);

// launch::with_ranks in this process's environment, its errors on standard
// error.
void on_ranks(launch::RankOptions options,
              const std::function<void(comm::Communicator&)>& body);

// The variables of this process.
launch::Environment environment();

}  // namespace dure::cli
