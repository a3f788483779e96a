// `dure docs` (hidden): writes the pages of docs/ that are made from the code.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/cli/commands.h"

namespace dure::cli {
namespace {

constexpr const char* kGenerated =
    "<!-- Made by `dure docs`: edit the sources, then run it again. -->\n";

struct Options {
  std::string directory = "docs";
  bool check = false;
};

// Commands and their commands, each with its --help text.
std::string commands_page(const CLI::App& app, const std::string& prefix) {
  std::string page;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_group().empty()) {
      continue;  // hidden
    }
    const std::string name = prefix + " " + command->get_name();
    page += "\n## " + name + "\n\n```text\n" + command->help(prefix) + "```\n";
    page += commands_page(*command, name);
  }
  return page;
}

void write_or_check(const Options& options,
                    const std::string& name,
                    const std::string& text) {
  const Path path = Path(options.directory) / name;
  if (!options.check) {
    return write_file_atomically(path, text);
  }
  DURE_CHECK(read_file(path) == text,
             path.string(),
             " is out of date: run `dure docs --directory ",
             options.directory,
             "`");
}

}  // namespace

void add_docs(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "docs", "Writes the pages of docs/ that are made from the code");
  command->group("");
  command->add_option("--directory", options->directory, "Where to write")
      ->capture_default_str();
  command->add_flag("--check", options->check, "Only compare; fail if stale");
  command->footer("Example:\n  dure docs --directory docs");
  command->callback([&app, options] {
    write_or_check(*options,
                   "commands.md",
                   "# Commands\n\n" + std::string(kGenerated) +
                       commands_page(app, "dure"));
  });
}

}  // namespace dure::cli
