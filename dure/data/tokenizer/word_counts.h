// How often each word occurs in a text, for training a tokenizer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dure::data {

// Words are ordered by their bytes.
using WordCounts = std::vector<std::pair<std::string, std::int64_t>>;

// Gives the next document, valid until the next call; false after the last.
// Called by one thread at a time.
using NextText = std::function<bool(std::string_view&)>;

struct WordCountOptions {
  std::vector<std::string> patterns;
  int workers = 1;
  // Called now and then, by one thread at a time, with the bytes counted. It
  // may throw to end the work.
  std::function<void(std::uint64_t)> progress = {};
};

// Counts the words that the patterns cut, on all workers. A long document is
// divided among them: it is cut where an ASCII letter is followed by a newline,
// which ends a word under GPT-2's and Llama 3's pattern. The result depends on
// neither the workers nor the cuts.
WordCounts count_words(const NextText& next, const WordCountOptions& options);

}  // namespace dure::data
