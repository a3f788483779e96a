// The options of commands that run on ranks.
#pragma once

#include <set>
#include <string>

#include "dure/base/check.h"
#include "dure/base/interrupt.h"
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
// error, and then to options.report, where there is one.
void on_ranks(launch::RankOptions options,
              const std::function<void(comm::Communicator&)>& body);

// Whether this is one of several processes and not the first, which speaks.
bool is_later_process();

// What the command line is wrong by: thrown, or, of several processes, which
// were all started with it, said by the first one (launch::AlreadySaid). What a
// launcher sends those that have not ended yet is no news then.
[[noreturn]] void fail_on_ranks(const UsageError& error,
                                const StopRequest& stop);

// The variables of this process.
launch::Environment environment();

}  // namespace dure::cli
