// `dure report`: a page about a run, or about several side by side.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/cli/commands.h"
#include "dure/cli/output.h"
#include "dure/report/comparison.h"
#include "dure/report/page.h"
#include "dure/report/report_json.h"

namespace dure::cli {
namespace {

struct Options {
  std::vector<std::string> runs;
  std::string out;
  std::optional<std::int64_t> step;
  std::string scale = "linear";
  std::optional<double> smooth;
  bool json = false;
};

report::Choices choices_of(const Options& options) {
  return {.scale = options.scale == "log" ? report::Shown::kLog
                                          : report::Shown::kLinear,
          .smooth = options.smooth};
}

Path out_of(const Options& options) {
  if (!options.out.empty()) {
    return options.out;
  }
  return Path(options.runs[0]) /
         (options.runs.size() > 1 ? "comparison.html" : "report.html");
}

void check(const Options& options) {
  if (options.runs.size() > report::kMostRuns) {
    throw UsageError(
        "wanted up to {} runs, which can be told apart by colour, got {}",
        report::kMostRuns,
        options.runs.size());
  }
  if (options.runs.size() > 1 && options.step) {
    throw UsageError(
        "wanted one RUN for --step: a page about several draws no pipeline");
  }
  for (std::size_t i = 0; i < options.runs.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      std::error_code absent;
      if (std::filesystem::equivalent(
              options.runs[i], options.runs[j], absent)) {
        throw UsageError(
            "wanted different runs, got {} and {}, which are one directory",
            options.runs[j],
            options.runs[i]);
      }
    }
  }
}

void report(const Options& options) {
  check(options);
  std::vector<Path> inputs;
  std::vector<report::Report> reports;
  for (const std::string& run : options.runs) {
    const std::vector<Path> files = report::files_of(run);
    inputs.insert(inputs.end(), files.begin(), files.end());
  }
  const Path out = out_of(options);
  if (!options.json) {
    refuse_own_input("--out", out, inputs);
  }
  for (const std::string& run : options.runs) {
    reports.push_back(report::read_report(run, options.step));
    DURE_CHECK(
        options.runs.size() == 1 || !reports.back().metrics.lines.empty(),
        "{} has no step in its metrics.jsonl: wanted runs that have begun, to "
        "put beside one another",
        run);
  }
  const bool one = reports.size() == 1;
  if (options.json) {
    put(one ? report::to_json(reports[0]) : report::to_json(reports));
    return;
  }
  const report::Choices choices = choices_of(options);
  write_file_atomically(out,
                        one ? report::to_html(reports[0], choices)
                            : report::to_html(reports, choices));
  std::printf("%s\n", out.c_str());
}

}  // namespace

void add_report(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("report",
                         "Writes an HTML page about a run: curves, memory, "
                         "communication, pipeline; or about several");
  command
      ->add_option("RUN",
                   options->runs,
                   "What `dure train` wrote: its log.directory. Several are "
                   "put beside one another")
      ->required();
  command->add_option("--out",
                      options->out,
                      "The page [report.html in RUN; of several, "
                      "comparison.html in the first]");
  command
      ->add_option("--step",
                   options->step,
                   "The step whose pipeline is drawn [the last complete one]")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--scale",
                   options->scale,
                   "Of the losses when the page is opened: linear or log")
      ->check(CLI::IsMember({"linear", "log"}))
      ->capture_default_str();
  command
      ->add_option("--smooth",
                   options->smooth,
                   "Half-life, in steps, by which curves are smoothed when "
                   "the page is opened; 0: they are not [0]")
      ->check(CLI::Range(0.0, 1e9));
  command->add_flag("--json",
                    options->json,
                    "Print the facts as an object, and write no page");
  command->footer(
      "The page itself lets its reader choose a scale and a half-life.\n"
      "Examples:\n"
      "  dure report out/train/run\n"
      "  dure report out/a out/b --smooth 20 --out a_and_b.html");
  command->callback([options] { report(*options); });
}

}  // namespace dure::cli
