// The options of commands that run on ranks.
#pragma once

#include <set>
#include <string>

#include "dure/launch/with_ranks.h"

namespace CLI {  // NOLINT(readability-identifier-naming): its own
class App;
}  // namespace CLI

namespace dure::cli {

// --ranks, --comm-timeout, --check-collectives. The command's options, and
// which program this is, are what all processes must have in common; both must
// outlive the run.
void add_rank_options(CLI::App& command, launch::RankOptions& options);

// The name of the program, of the command, and what its options are given, but
// for some.
comm::Facts facts_of(const CLI::App& command,
                     const std::set<std::string>& left_out = {});

// launch::with_ranks in this process's environment, its errors on standard
// error.
void on_ranks(launch::RankOptions options,
              const std::function<void(comm::Communicator&)>& body);

// The variables of this process.
launch::Environment environment();

}  // namespace dure::cli
