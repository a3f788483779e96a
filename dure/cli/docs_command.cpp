// `dure docs` (hidden): writes the pages of docs/ that are generated from the
// code.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>
#include <string>

#include "dure/base/check.h"
#include "dure/base/fields.h"
#include "dure/base/files.h"
#include "dure/cli/commands.h"
#include "dure/config/config.h"
#include "dure/model/count.h"
#include "dure/model/families/families.h"

namespace dure::cli {
namespace {

constexpr const char* kGenerated =
    "<!-- Made by `dure docs`: edit the sources, then run it again. -->\n";

constexpr const char* kAboutConfiguration = R"(
A run is described by one TOML file:

```toml
[model]
preset = "gpt2-124m"   # a published size; any key beside it replaces its value
layers = 6

[data]
train = "out/text"     # what `dure preprocess --output out/text` wrote
split = "969,30,1"

[train]
steps = 1000
```

`--set section.key=value` on the command line replaces a value of the file; it
takes TOML, or a word without quotes. `dure train FILE --print-config` shows
every key with its value, what it means, what it may be and where it came from,
as a file that can be read again. An unknown key is an error that names the
nearest known one. A key that may be "auto" is filled in from others. `dropout`
sets three keys: what they are given themselves in the same place, the file or
the command line, holds, and the command line goes over the file. Most numbers
are computed with in f32: one that isn't 0, but would be there, is refused.
)";

struct Options {
  std::string directory = "docs";
  bool check = false;
};

std::string presets_table() {
  std::string page =
      "\n## Presets\n\nNames for `model.preset`.\n\n"
      "| preset | parameters | layers | hidden | heads | kv_heads | "
      "vocabulary | max_sequence | of |\n"
      "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n";
  for (const model::Preset& preset : model::presets()) {
    const model::ModelConfig& c = preset.config;
    page += fmt::format("| `{}` | {} | {} | {} | {} | {} | {} | {} | {} |\n",
                        c.preset,
                        model::count(c).published,
                        c.layers,
                        c.hidden,
                        c.heads,
                        c.kv_heads,
                        c.vocabulary,
                        c.max_sequence,
                        preset.remark);
  }
  return page;
}

std::string configuration_page() {
  train::Config config;
  Fields fields;
  train::visit(fields, config);
  return "# Configuration\n\n" + std::string(kGenerated) + kAboutConfiguration +
         to_markdown(fields) + presets_table();
}

// Commands and their subcommands, each with its --help text.
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
             "{} is out of date: run `dure docs --directory {}`",
             path.string(),
             options.directory);
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
    write_or_check(*options, "configuration.md", configuration_page());
    write_or_check(*options,
                   "commands.md",
                   "# Commands\n\n" + std::string(kGenerated) +
                       commands_page(app, "dure"));
  });
}

}  // namespace dure::cli
