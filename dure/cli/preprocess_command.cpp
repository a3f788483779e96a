// dure preprocess: text to the token files that training reads.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/progress.h"
#include "dure/cli/commands.h"
#include "dure/cli/output.h"
#include "dure/data/preprocess/preprocess.h"
#include "dure/data/tokenizer/tokenizer.h"

namespace dure::cli {
namespace {

struct Options {
  data::DocumentOptions input;
  std::vector<std::string> merge;
  std::string tokenizer;
  std::string output;
  std::string format = "auto";
  std::string cut = "file";
  int workers =
      std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  bool append_eod = false;
  bool no_eod = false;
  bool json = false;
};

// "3.1 k documents/s, 12.5 MB/s" so far.
std::string speed(const data::PreprocessReport& report, double seconds) {
  return fmt::format(
      "{} documents, {} documents/s, {:.1f} MB/s",
      with_prefix(static_cast<double>(report.documents)),
      with_prefix(static_cast<double>(report.documents) / seconds),
      static_cast<double>(report.text_bytes) / 1e6 / seconds);
}

void print(const Options& options,
           const data::PreprocessReport& report,
           double seconds) {
  if (!options.json) {
    fmt::print("{}.bin and .idx: {} documents, {} tokens{}\n",
               options.output,
               report.documents,
               report.tokens,
               report.empty_documents == 0
                   ? ""
                   : fmt::format("; {} empty documents were left away",
                                 report.empty_documents));
    return;
  }
  const nlohmann::ordered_json facts = {
      {"output", options.output},
      {"documents", report.documents},
      {"empty_documents", report.empty_documents},
      {"tokens", report.tokens},
      {"text_bytes", report.text_bytes},
      {"seconds", seconds},
      {"documents_per_second", static_cast<double>(report.documents) / seconds},
      {"megabytes_per_second",
       static_cast<double>(report.text_bytes) / 1e6 / seconds}};
  put_json(facts);
}

data::Cut cut_of(const Options& options) {
  if (!options.input.separator.empty()) {
    return data::Cut::kSeparator;
  }
  return options.cut == "file"          ? data::Cut::kFile
         : options.cut == "blank-lines" ? data::Cut::kBlankLine
                                        : data::Cut::kLine;
}

data::TextFormat format_of(const Options& options) {
  return options.format == "auto"    ? data::TextFormat::kAuto
         : options.format == "jsonl" ? data::TextFormat::kJsonLines
                                     : data::TextFormat::kText;
}

data::EndOfDocument end_of(const Options& options) {
  if (options.no_eod) {
    return data::EndOfDocument::kNone;
  }
  return options.append_eod ? data::EndOfDocument::kAppend
                            : data::EndOfDocument::kWhereKnown;
}

// Begins at the first report, when the total is known.
class Reporter {
 public:
  void update(const data::PreprocessReport& report) {
    if (!progress_) {
      progress_.emplace("preprocess", report.total_input_bytes);
    }
    progress_->update(report.input_bytes, speed(report, seconds()));
  }
  void finish(const data::PreprocessReport& report) {
    if (progress_) {
      progress_->finish(speed(report, seconds()));
    }
  }
  double seconds() const {
    return std::chrono::duration<double>(Progress::Clock::now() - start_)
        .count();
  }

 private:
  Progress::Clock::time_point start_ = Progress::Clock::now();
  std::optional<Progress> progress_;
};

data::PreprocessReport preprocess(const Options& options, Reporter& reporter) {
  if (options.input.files.empty() || options.tokenizer.empty()) {
    throw UsageError("wanted --input and --tokenizer, or --merge");
  }
  const auto tokenizer = data::load_tokenizer(options.tokenizer);
  data::PreprocessOptions work{.input = options.input,
                               .output = options.output,
                               .workers = options.workers,
                               .end_of_document = end_of(options)};
  work.input.cut = cut_of(options);
  work.input.format = format_of(options);
  work.progress = [&](const data::PreprocessReport& report) {
    reporter.update(report);
  };
  const auto report = data::preprocess(*tokenizer, work);
  reporter.finish(report);
  return report;
}

// The files that an --output must not overwrite: texts, the tokenizer's file,
// and data sets to be joined.
std::vector<Path> inputs_of(const Options& options) {
  std::vector<Path> inputs(options.input.files.begin(),
                           options.input.files.end());
  inputs.emplace_back(options.tokenizer);
  for (const std::string& prefix : options.merge) {
    inputs.emplace_back(prefix + ".bin");
    inputs.emplace_back(prefix + ".idx");
  }
  return inputs;
}

void run(const Options& options) {
  for (const char* ending : {".bin", ".idx"}) {
    refuse_own_input("--output", options.output + ending, inputs_of(options));
  }
  Reporter reporter;
  const data::PreprocessReport report =
      options.merge.empty()
          ? preprocess(options, reporter)
          : data::merge_datasets(options.merge, options.output);
  print(options, report, reporter.seconds());
}

void add_input(CLI::App& command, Options& options) {
  command.add_option("--input",
                     options.input.files,
                     "Text to read, in this order; gzip, zstd, xz and "
                     "bzip2 are recognized");
  command
      .add_option("--format",
                  options.format,
                  "jsonl, text, or auto: by name, then by first character")
      ->check(CLI::IsMember({"auto", "jsonl", "text"}));
  command.add_option(
      "--text-key", options.input.text_key, "JSON Lines: the text's key");
  CLI::Option* cut =
      command
          .add_option("--documents",
                      options.cut,
                      "Plain text: a document is a file, or what stands "
                      "between blank-lines, or each of the lines")
          ->check(CLI::IsMember({"file", "blank-lines", "lines"}));
  command
      .add_option("--separator",
                  options.input.separator,
                  "Plain text: what stands between documents")
      ->excludes(cut);
}

void add_output(CLI::App& command, Options& options) {
  command.add_option("--tokenizer",
                     options.tokenizer,
                     "bytes, a directory, or a tokenizer's file");
  command
      .add_option(
          "--output", options.output, "Prefix of the .bin and .idx to write")
      ->required();
  command.add_option("--workers", options.workers, "Threads that tokenize")
      ->check(CLI::Range(1, 4096));
  CLI::Option* append =
      command.add_flag("--append-eod",
                       options.append_eod,
                       "End every document with the end-of-document token (as "
                       "is done where the tokenizer has one); fail without");
  command.add_flag("--no-eod", options.no_eod, "No end-of-document tokens")
      ->excludes(append);
  command.add_flag("--json", options.json, "Print the result as JSON");
}

}  // namespace

void add_preprocess(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "preprocess", "Tokenizes text into the files that training reads");
  add_input(*command, *options);
  add_output(*command, *options);
  command
      ->add_option("--merge",
                   options->merge,
                   "Instead of text: data sets to join, by their prefixes")
      ->excludes("--input");
  command->footer(
      "Examples:\n"
      "  dure preprocess --input a.jsonl b.jsonl.gz --tokenizer tok/ "
      "--output data/text\n"
      "  dure preprocess --input book.txt --documents blank-lines "
      "--tokenizer bytes --output data/book\n"
      "  dure preprocess --merge data/part0 data/part1 --output data/all");
  command->callback([options] { run(*options); });
}

}  // namespace dure::cli
