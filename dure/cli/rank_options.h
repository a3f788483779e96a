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

// Adds --ranks, --comm-timeout and --check-collectives. All processes must
// share the command's options and the version of the program; both arguments
// must outlive the run.
void add_rank_options(CLI::App& command, launch::LaunchOptions& options);

// The version of the program, the command, and its options' values, except for
// `left_out`.
comm::Facts facts_of(const CLI::App& command,
                     const std::set<std::string>& left_out = {});

// Calls launch::with_ranks in this process's environment. Errors go to standard
// error, and then to options.report, if there is one.
void on_ranks(launch::LaunchOptions options,
              const std::function<void(comm::Communicator&)>& body);

// Whether this is one of several processes but not the first, which prints.
bool is_later_process();

// Fails with an error in the command line. A process alone throws it. If there
// are several, which were all started with it, the first one reports it
// (launch::AlreadySaid), and a signal by which the launcher then ends the
// others is not reported.
[[noreturn]] void fail_on_ranks(const UsageError& error,
                                const StopRequest& stop);

// The variables of this process.
launch::Environment environment();

}  // namespace dure::cli
