// Tokenizers: MB/s of encoding, decoding and training.
//
//   tokenizer_bench [--text FILE] [--megabytes N] [--vocabulary V]
//                   [--tokenizer SPEC] [--write PATH] [--repeats R] [--json]
//                   [--smoke]
//
// The text (without a file, made-up words by Zipf's law) is cut into documents
// of about 4 KiB at line feeds. Without a tokenizer a byte-level BPE of V
// tokens is learnt from it, which is the training figure; --write keeps it.
// Figures are medians. bench/peers/tokenizer_peers.py runs this beside other
// tokenizers.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fmt/core.h>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/bench_main.h"
#include "bench/spread.h"
#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/base/random.h"
#include "dure/data/tokenizer/bpe_trainer.h"
#include "dure/data/tokenizer/huggingface.h"
#include "dure/data/tokenizer/tokenizer.h"

namespace dure::bench {
namespace {

using data::Tokenizer;
using Documents = std::vector<std::string_view>;

struct Options {
  std::string text;
  std::string tokenizer;
  std::string write;
  std::size_t megabytes = 20;
  std::int64_t vocabulary = 32768;
  int repeats = 5;
  bool json = false;
};

// Words of three to ten letters, the n-th about n times rarer than the first.
std::string made_up_text(std::size_t bytes) {
  const RandomStream words(1, "word");
  const RandomStream letters(1, "letter");
  std::string text;
  for (std::uint64_t i = 0; text.size() < bytes; ++i) {
    const double u = words.uniform(i);
    const auto word = static_cast<std::uint64_t>(std::exp(u * std::log(50000)));
    for (std::uint64_t j = 0; j < 3 + word % 8; ++j) {
      text += static_cast<char>('a' + letters.below(26, word * 16 + j));
    }
    text += i % 12 == 11 ? ".\n" : " ";
  }
  return text;
}

Documents cut(std::string_view text) {
  constexpr std::size_t kBytes = 4096;
  Documents documents;
  while (!text.empty()) {
    const std::size_t end = text.find('\n', std::min(kBytes, text.size() - 1));
    documents.push_back(text.substr(0, std::min(end, text.size() - 1) + 1));
    text.remove_prefix(documents.back().size());
  }
  return documents;
}

std::size_t encode_all(const Tokenizer& tokenizer,
                       const Documents& documents,
                       unsigned threads) {
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> tokens = 0;
  const auto work = [&] {
    std::vector<std::int32_t> ids;
    for (std::size_t i = next++; i < documents.size(); i = next++) {
      ids.clear();
      tokenizer.encode(documents[i], ids);
      tokens += ids.size();
    }
  };
  std::vector<std::jthread> workers;
  for (unsigned i = 1; i < threads; ++i) {
    workers.emplace_back(work);
  }
  work();
  workers.clear();
  return tokens;
}

class Report {
 public:
  Report(const Options& options, std::size_t bytes)
      : json_(options.json), megabytes_(static_cast<double>(bytes) / 1e6) {}
  ~Report() {
    if (json_) {
      std::printf("{%s}\n", line_.c_str());
    }
  }

  void add(const char* name, const Spread& seconds) {
    const double speed = megabytes_ / seconds.median;
    if (!json_) {
      std::printf("%-22s %8.1f MB/s  (%.1f to %.1f)\n",
                  name,
                  speed,
                  megabytes_ / seconds.most,
                  megabytes_ / seconds.least);
      return;
    }
    line_ +=
        fmt::format("{}\"{}\": {:g}", line_.empty() ? "" : ", ", name, speed);
  }

 private:
  bool json_;
  double megabytes_;
  std::string line_;
};

data::TokenizerParts learn(const Options& options,
                           const std::string& text,
                           unsigned threads) {
  bool given = false;
  const auto words = data::count_words(
      [&](std::string_view& next) {
        next = text;
        return !std::exchange(given, true);
      },
      {.patterns = {std::string(data::kGpt2Pattern)},
       .workers = static_cast<int>(threads)});
  return data::train_bpe(words, {.vocabulary = options.vocabulary});
}

std::unique_ptr<Tokenizer> tokenizer_for(const Options& options,
                                         const std::string& text,
                                         unsigned threads,
                                         Report& report) {
  if (!options.tokenizer.empty()) {
    return data::load_tokenizer(options.tokenizer);
  }
  data::TokenizerParts parts;
  report.add("train, all cores",
             measure(1, [&] { parts = learn(options, text, threads); }));
  if (!options.write.empty()) {
    write_file_atomically(options.write, data::tokenizer_json_text(parts));
  }
  return std::make_unique<data::PipelineTokenizer>(parts);
}

void run(const Options& options) {
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  std::string text = options.text.empty()
                         ? made_up_text(options.megabytes << 20)
                         : read_file(options.text);
  text.resize(std::min(text.size(), options.megabytes << 20));
  DURE_CHECK(!text.empty(), "there is no text to measure with");
  const Documents documents = cut(text);
  Report report(options, text.size());
  const auto tokenizer = tokenizer_for(options, text, threads, report);
  const auto speed = [&](const char* name, unsigned workers) {
    report.add(name, measure(options.repeats, [&] {
                 encode_all(*tokenizer, documents, workers);
               }));
  };
  speed("encode, one core", 1);
  speed("encode, all cores", threads);
  const auto ids = tokenizer->encode(text);
  report.add("decode, one core", measure(options.repeats, [&] {
               DURE_CHECK(tokenizer->decode(ids) == text,
                          "the text doesn't come back");
             }));
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--smoke") {
      options.megabytes = 1;
      options.vocabulary = 1000;
      options.repeats = 1;
      continue;
    }
    if (name == "--json") {
      options.json = true;
      continue;
    }
    DURE_CHECK(i + 1 < argc, "the option {} lacks its value", name);
    const std::string value = argv[++i];
    if (name == "--text") {
      options.text = value;
    } else if (name == "--tokenizer") {
      options.tokenizer = value;
    } else if (name == "--write") {
      options.write = value;
    } else if (name == "--megabytes") {
      options.megabytes = std::stoul(value);
    } else if (name == "--vocabulary") {
      options.vocabulary = std::stol(value);
    } else if (name == "--repeats") {
      options.repeats = std::stoi(value);
    } else {
      DURE_CHECK(false, "unknown option {}", name);
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
