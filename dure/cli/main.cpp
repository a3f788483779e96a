// The command line: the table of commands, and the handling of errors.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/error_text.h"
#include "dure/base/interrupt.h"
#include "dure/base/nearest.h"
#include "dure/base/process.h"
#include "dure/base/quote.h"
#include "dure/base/terminal.h"
#include "dure/cli/commands.h"
#include "dure/cli/output.h"
#include "dure/cli/rank_options.h"
#include "dure/cli/version.h"
#include "dure/cli/whole_numbers.h"

namespace dure::cli {
namespace {

// The commands in the order of --help, after train.
constexpr AddCommand* kCommands[] = {
    &add_eval,
    &add_generate,
    &add_plan,
    &add_mesh,
    &add_parity,
    &add_tokenizer,
    &add_preprocess,
    &add_convert,
    &add_checkpoint,
    &add_report,
    &add_bench,
    &add_doctor,
    &add_docs,
};

// If the output itself has failed, end_output() reports that.
int report(const std::exception& error, int code) {
  if (!output_failed()) {
    std::fprintf(stderr,
                 "%s %s\n",
                 coloured("error:", Colour::kRed, STDERR_FILENO).c_str(),
                 printable(message_of(error)).c_str());
  }
  return code;
}

// CLI11 only says that a subcommand is missing; this names the nearest.
void check_commands(const CLI::App& app,
                    std::span<const std::string> arguments,
                    const StopRequest& stop) {
  const CLI::App* at = &app;
  for (const std::string& argument : arguments) {
    std::vector<std::string> names;
    for (const CLI::App* command : at->get_subcommands({})) {
      names.push_back(command->get_name());
    }
    if (names.empty() || argument.starts_with('-')) {
      return;
    }
    if (std::find(names.begin(), names.end(), argument) == names.end()) {
      fail_on_ranks(UsageError("unknown command {}{}",
                               quoted(argument),
                               suggestion(argument, names)),
                    stop);
    }
    at = at->get_subcommand(argument);
  }
}

// Turns other requests for help into options: no argument at all, and `help
// COMMAND`, which is COMMAND --help.
std::vector<std::string> as_options(std::vector<std::string> arguments) {
  if (arguments.empty()) {
    return {"--help"};
  }
  if (arguments.front() == "help") {
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  return arguments;
}

int run(int argc, char** argv, const StopRequest& stop) {
  CLI::App app(
      "Trains large language models in parallel.\n"
      "dure COMMAND --help shows a command's options and an example.",
      "dure");
  app.set_version_flag("-V,--version", version_line());
  app.require_subcommand(1);
  add_train(app, stop);  // the one that has something to keep
  for (AddCommand* add : kCommands) {
    add(app);
  }
  refuse_overflow(app);
  try {
    std::vector<std::string> arguments =
        as_options({argv + std::min(argc, 1), argv + argc});
    check_commands(app, arguments, stop);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    app.parse(std::move(arguments));
    return 0;
  } catch (const CLI::Success& answer) {  // --help, --version
    return app.exit(answer);
  } catch (const CLI::ParseError& error) {
    fail_on_ranks(
        UsageError("{}\nRun with --help for more information.", error.what()),
        stop);
  }
}

// Turns an error into its text and an exit code.
int run_and_report(int argc, char** argv, const StopRequest& stop) {
  try {
    return run(argc, argv, stop);
  } catch (const launch::AlreadySaid& said) {
    return said.exit_code;
  } catch (const UsageError& error) {
    return report(error, kExitUsage);
  } catch (const std::exception& error) {
    return report(error, kExitFailed);
  }
}

}  // namespace
}  // namespace dure::cli

int main(int argc, char** argv) {
  try {
    dure::prepare_process();
    const dure::InterruptWatch watch;  // before any thread
    if (dure::cli::is_later_process()) {
      watch.request().keep_quiet();
    }
    return dure::cli::end_output(
        dure::cli::run_and_report(argc, argv, watch.request()));
  } catch (const std::exception& error) {  // out of memory while reporting
    std::fputs(error.what(), stderr);
    return dure::cli::kExitFailed;
  }
}
