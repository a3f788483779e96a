// `dure report`: one page about a run.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "dure/base/files.h"
#include "dure/cli/commands.h"
#include "dure/report/page.h"

namespace dure::cli {
namespace {

struct Options {
  std::string run;
  std::string out;
  std::optional<std::int64_t> step;
  bool json = false;
};

void report(const Options& options) {
  const report::Report facts = report::read_report(options.run, options.step);
  if (options.json) {
    std::fputs(report::to_json(facts).c_str(), stdout);
    return;
  }
  const Path out =
      Path(options.out.empty() ? options.run + "/report.html" : options.out);
  write_file_atomically(out, report::to_html(facts));
  std::printf("%s\n", out.c_str());
}

}  // namespace

void add_report(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("report",
                         "Writes an HTML page about a run: curves, memory, "
                         "communication, pipeline");
  command
      ->add_option(
          "RUN", options->run, "What `dure train` wrote: its log.directory")
      ->required();
  command->add_option("--out", options->out, "The page [report.html in RUN]");
  command
      ->add_option("--step",
                   options->step,
                   "The step whose pipeline is drawn [the last complete one]")
      ->check(CLI::PositiveNumber);
  command->add_flag("--json",
                    options->json,
                    "Print the facts as an object, and write no page");
  command->footer("Example:\n  dure report out/train/run");
  command->callback([options] { report(*options); });
}

}  // namespace dure::cli
