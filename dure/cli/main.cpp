// The command line: one table of commands, and what an error becomes.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "dure/base/check.h"
#include "dure/cli/commands.h"
#include "dure/cli/version.h"

namespace dure::cli {
namespace {

// In the order in which --help lists them.
constexpr AddCommand* kCommands[] = {
    &add_docs,
};

int report(const char* what, int code) {
  std::fprintf(stderr, "error: %s\n", what);
  return code;
}

int run(int argc, char** argv) {
  CLI::App app(
      "Trains large language models in parallel.\n"
      "dure COMMAND --help shows a command's options and an example.",
      "dure");
  app.set_version_flag("--version", version_line());
  app.require_subcommand(1);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return "error: " + std::string(error.what()) +
           "\nRun with --help for more information.\n";
  });
  for (AddCommand* add : kCommands) {
    add(app);
  }
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    // --help and --version are "errors" that succeed.
    return app.exit(error) == 0 ? 0 : kExitUsage;
  } catch (const UsageError& error) {
    return report(error.what(), kExitUsage);
  } catch (const std::exception& error) {
    return report(error.what(), kExitFailed);
  }
}

}  // namespace
}  // namespace dure::cli

int main(int argc, char** argv) {
  try {
    return dure::cli::run(argc, argv);
  } catch (const std::exception& error) {  // out of memory while reporting
    std::fputs(error.what(), stderr);
    return dure::cli::kExitFailed;
  }
}
