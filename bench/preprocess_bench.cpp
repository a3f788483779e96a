// Preprocessing: documents/s and MB/s from JSON Lines to token files.
//
//   preprocess_bench [--text FILE] [--megabytes N] [--vocabulary V]
//                    [--tokenizer SPEC] [--document-bytes B]
//                    [--directory DIR] [--smoke]
//
// The text (plain or gzip; without one, made-up words by Zipf's law) is cut
// into documents of B bytes at line feeds or spaces, and written as JSON Lines,
// plain and gzip. Without a tokenizer a byte-level BPE of V tokens is learnt
// from it first. The `bytes` tokenizer shows the cost of everything but
// tokenizing.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fmt/core.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>
#include <zlib.h>

#include "bench/bench_main.h"
#include "bench/spread.h"
#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/base/random.h"
#include "dure/data/preprocess/preprocess.h"
#include "dure/data/preprocess/text_source.h"
#include "dure/data/tokenizer/bpe_trainer.h"
#include "dure/data/tokenizer/pipeline_tokenizer.h"

namespace dure::bench {
namespace {

struct Options {
  std::string text;
  std::string tokenizer;
  std::string directory = std::filesystem::temp_directory_path();
  std::size_t megabytes = 20;
  std::size_t document_bytes = 860;  // Megatron's log: 0.98 MB/s, 1141/s
  std::int64_t vocabulary = 8192;
  int repeats = 5;
};

// Words of random letters, the k-th drawn about 1/k as often as the first.
std::string made_up_text(std::size_t bytes) {
  const RandomStream letters(1, "letters");
  std::vector<std::string> words(20'000);
  for (std::size_t w = 0; w < words.size(); ++w) {
    for (std::size_t i = 0; i < 1 + letters.below(9, 100 * w); ++i) {
      words[w] += static_cast<char>('a' + letters.below(26, 100 * w + 1 + i));
    }
  }
  const RandomStream draws(1, "words");
  const double range = std::log(static_cast<double>(words.size()));
  std::string text;
  for (std::uint64_t i = 0; text.size() < bytes; ++i) {
    const double rank = std::exp(range * draws.uniform(i));
    text += words[static_cast<std::size_t>(rank) - 1];
    text += i % 12 == 11 ? '\n' : ' ';
  }
  return text;
}

std::string read_text(const Options& options) {
  const std::size_t bytes = options.megabytes * 1'000'000;
  if (options.text.empty()) {
    return made_up_text(bytes);
  }
  std::string text(bytes, ' ');
  const auto source = data::open_text(options.text);
  std::size_t size = 0;
  while (size < bytes) {
    const std::size_t got = source->read(std::span(text).subspan(size));
    if (got == 0) {
      break;
    }
    size += got;
  }
  text.resize(size);
  return text;
}

std::vector<std::string_view> cut(std::string_view text, std::size_t bytes) {
  std::vector<std::string_view> documents;
  while (!text.empty()) {
    const std::size_t end =
        text.find_first_of(" \n", std::min(bytes, text.size()));
    const std::size_t size = std::min(end, text.size() - 1) + 1;
    documents.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return documents;
}

std::string json_lines(const std::vector<std::string_view>& documents) {
  std::string lines;
  for (std::string_view document : documents) {
    // Broken UTF-8, if the text has any, is replaced.
    lines += nlohmann::json{{"text", document}}.dump(
        -1, ' ', false, nlohmann::json::error_handler_t::replace);
    lines += '\n';
  }
  return lines;
}

void write_gzip(const std::string& path, const std::string& text) {
  gzFile file = ::gzopen(path.c_str(), "wb6");
  const int put =
      ::gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  DURE_CHECK(::gzclose(file) == Z_OK && put > 0, "can't write {}", path);
}

std::unique_ptr<data::Tokenizer> tokenizer_for(const Options& options,
                                               std::string_view text) {
  if (!options.tokenizer.empty()) {
    return data::load_tokenizer(options.tokenizer);
  }
  const data::BpeTrainingOptions training{.vocabulary = options.vocabulary};
  bool given = false;
  const auto words = data::count_words(
      [&](std::string_view& next) {
        next = text;
        return !std::exchange(given, true);
      },
      {.patterns = training.patterns});
  return std::make_unique<data::PipelineTokenizer>(
      data::train_bpe(words, training));
}

struct Case {
  const char* tokenizer_name;
  const data::Tokenizer& tokenizer;
  std::string input;
  int workers;
};

void run_case(const Case& what, const Options& options) {
  data::PreprocessReport report;
  const Spread seconds = measure(options.repeats, [&] {
    report = data::preprocess(what.tokenizer,
                              {.input = {.files = {what.input}},
                               .output = what.input + ".out",
                               .workers = what.workers});
  });
  const auto documents = static_cast<double>(report.documents);
  std::printf("%-9s %-8s %7d %12.0f (%.0f to %.0f) %9.2f\n",
              what.tokenizer_name,
              what.input.ends_with(".gz") ? "jsonl.gz" : "jsonl",
              what.workers,
              documents / seconds.median,
              documents / seconds.most,
              documents / seconds.least,
              static_cast<double>(report.text_bytes) / 1e6 / seconds.median);
}

void run(const Options& options) {
  const Path directory = Path(options.directory) /
                         fmt::format("dure_preprocess_bench_{}", ::getpid());
  make_directories(directory);
  const std::string text = read_text(options);
  const std::string lines = json_lines(cut(text, options.document_bytes));
  const std::string plain = (directory / "x.jsonl").string();
  write_file_atomically(plain, lines);
  write_gzip(plain + ".gz", lines);
  const auto bpe = tokenizer_for(options, text);
  const auto bytes = data::load_tokenizer("bytes");
  std::printf("tokenizer input    workers  documents/s %25s\n", "MB/s");
  const int all =
      std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (const std::string& input : {plain, plain + ".gz"}) {
    for (int workers : {1, all}) {
      run_case({"bytes", *bytes, input, workers}, options);
      run_case({"bpe", *bpe, input, workers}, options);
    }
  }
  std::filesystem::remove_all(directory);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--smoke") {
      options.megabytes = 1;
      options.vocabulary = 400;
      options.repeats = 1;
      continue;
    }
    DURE_CHECK(i + 1 < argc, "{} needs a value", name);
    const std::string value = argv[++i];
    if (name == "--text") {
      options.text = value;
    } else if (name == "--tokenizer") {
      options.tokenizer = value;
    } else if (name == "--directory") {
      options.directory = value;
    } else if (name == "--megabytes") {
      options.megabytes = std::stoul(value);
    } else if (name == "--document-bytes") {
      options.document_bytes = std::stoul(value);
    } else {
      DURE_CHECK(name == "--vocabulary", "unknown option {}", name);
      options.vocabulary = std::stoll(value);
    }
  }
  return options;
}

}  // namespace
}  // namespace dure::bench

int main(int argc, char** argv) {
  return dure::bench::exit_code_of(
      [&] { dure::bench::run(dure::bench::parse(argc, argv)); });
}
