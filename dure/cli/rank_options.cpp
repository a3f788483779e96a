#include "dure/cli/rank_options.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <unistd.h>

#include "dure/base/log.h"
#include "dure/base/quote.h"
#include "dure/base/terminal.h"
#include "dure/cli/version.h"

namespace dure::cli {

void add_rank_options(CLI::App& command, launch::LaunchOptions& options) {
  command
      .add_option(
          "--ranks",
          options.threads,
          "Ranks, as threads of this process. Without it: the processes "
          "that mpirun or srun started")
      ->check(CLI::Range(1, 1024));
  command
      .add_option("--comm-timeout",
                  options.comm.timeout_seconds,
                  "Seconds after which a collective that waits ends the run")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_flag_callback(
      "--check-collectives",
      [&options] { options.comm.check = comm::Check::kOn; },
      "Compare what ranks are about to do before they do it");
  options.facts = [&command] { return facts_of(command); };
}

comm::Facts facts_of(const CLI::App& command,
                     const std::set<std::string>& left_out) {
  comm::Facts facts = {{"the program", version_line()},
                       {"the command", command.get_name()}};
  for (const CLI::Option* option : command.get_options()) {
    if (!left_out.contains(option->get_name())) {
      facts.emplace_back(option->get_name(),
                         CLI::detail::join(option->results(), " "));
    }
  }
  return facts;
}

void on_ranks(launch::LaunchOptions options,
              const std::function<void(comm::Communicator&)>& body) {
  options.report = [also = options.report](const std::string& text) {
    std::fprintf(stderr,
                 "%s %s\n",
                 coloured("error:", Colour::kRed, STDERR_FILENO).c_str(),
                 printable(text).c_str());
    if (also) {
      also(text);
    }
  };
  options.comm.say = [](const std::string& text) { Log().info(text); };
  launch::with_ranks(options, environment(), body);
}

bool is_later_process() {
  try {
    const auto launcher = launch::launcher_of(environment());
    return launcher.has_value() && launcher->rank > 0;
  } catch (const UsageError&) {  // the command says it
    return false;
  }
}

void fail_on_ranks(const UsageError& error, const StopRequest& stop) {
  launch::LaunchOptions options;
  options.report = [stop](const std::string&) { stop.keep_quiet(); };
  options.failure = std::make_exception_ptr(error);
  on_ranks(options, [](comm::Communicator&) {});
  throw error;
}

launch::Environment environment() {
  launch::Environment all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) {
      all[text.substr(0, equals)] = text.substr(equals + 1);
    }
  }
  return all;
}

}  // namespace dure::cli
