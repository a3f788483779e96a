#include "dure/data/tokenizer/word_counts.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "dure/data/tokenizer/splitter.h"

namespace dure::data {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{256} << 10;

struct Hash : std::hash<std::string_view> {
  using is_transparent = void;
};

using Counts =
    std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>>;

// The bytes of the next chunk of `text`: all, or up to a safe cut.
std::size_t chunk_size(std::string_view text) {
  std::size_t at = std::min(kChunkBytes, text.size());
  for (; at < text.size(); ++at) {
    at = std::min(text.find('\n', at), text.size());
    const auto before = static_cast<unsigned char>(text[at - 1]);
    if (before < 0x80 && std::isalpha(before) != 0) {
      break;
    }
  }
  return std::min(at, text.size());
}

// Hands chunks to the workers.
class Chunks {
 public:
  Chunks(const NextText& next, const WordCountOptions& options)
      : next_(next), options_(options) {}

  bool take(std::string& chunk) {
    const std::lock_guard lock(mutex_);
    if (stopped_) {
      return false;
    }
    while (left_.empty()) {
      if (!next_(left_)) {
        stopped_ = true;
        return false;
      }
    }
    chunk.assign(left_.substr(0, chunk_size(left_)));
    left_.remove_prefix(chunk.size());
    bytes_ += chunk.size();
    if (options_.progress) {
      options_.progress(bytes_);
    }
    return true;
  }

  void fail(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    error_ = error_ == nullptr ? std::move(error) : error_;
  }

  void rethrow() const {
    if (error_ != nullptr) {
      std::rethrow_exception(error_);
    }
  }

 private:
  const NextText& next_;
  const WordCountOptions& options_;
  std::mutex mutex_;
  std::string_view left_;
  std::uint64_t bytes_ = 0;
  bool stopped_ = false;
  std::exception_ptr error_;
};

void count_chunks(Chunks& chunks, const Splitter& splitter, Counts& counts) {
  SplitScratch scratch;
  std::string chunk;
  while (chunks.take(chunk)) {
    splitter.for_each(
        chunk, PieceAt::kLater, scratch, [&](std::string_view word) {
          const auto found = counts.find(word);
          if (found != counts.end()) {
            ++found->second;
          } else {
            counts.emplace(word, 1);
          }
        });
  }
}

WordCounts joined(std::vector<Counts>& parts) {
  Counts& all = parts[0];
  for (std::size_t i = 1; i < parts.size(); ++i) {
    for (const auto& [word, count] : parts[i]) {
      all[word] += count;
    }
    parts[i] = {};
  }
  WordCounts words(all.begin(), all.end());
  std::sort(words.begin(), words.end());
  return words;
}

}  // namespace

WordCounts count_words(const NextText& next, const WordCountOptions& options) {
  PieceSteps steps;
  for (const std::string& pattern : options.patterns) {
    steps.push_back(CutText{.pattern = pattern});
  }
  const Splitter splitter(steps);
  Chunks chunks(next, options);
  std::vector<Counts> parts(
      static_cast<std::size_t>(std::max(options.workers, 1)));
  {
    std::vector<std::jthread> workers;
    for (Counts& counts : parts) {
      workers.emplace_back([&chunks, &splitter, &counts] {
        try {
          count_chunks(chunks, splitter, counts);
        } catch (...) {
          chunks.fail(std::current_exception());
        }
      });
    }
  }
  chunks.rethrow();
  return joined(parts);
}

}  // namespace dure::data
