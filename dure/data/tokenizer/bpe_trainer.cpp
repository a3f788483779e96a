#include "dure/data/tokenizer/bpe_trainer.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/base/utf8.h"
#include "dure/data/tokenizer/byte_level.h"
#include "dure/data/tokenizer/pair_map.h"

namespace dure::data {
namespace {

using Places = std::vector<std::uint32_t>;  // words, rising

struct Word {
  std::size_t begin;  // in symbols_
  std::size_t size;
  std::int64_t count;
};

struct PairState {
  std::int64_t count = 0;
  Places fresh;  // places that no candidate has yet
};

// A pair that might be merged. Its count may have fallen since.
struct Candidate {
  std::int64_t count;
  std::int32_t left;
  std::int32_t right;
  Places places;
};

bool comes_later(const Candidate& a, const Candidate& b) {
  if (a.count != b.count) {
    return a.count < b.count;
  }
  return std::pair(a.left, a.right) > std::pair(b.left, b.right);
}

class Trainer {
 public:
  Trainer(const WordCounts& words, const BpeTrainingOptions& options)
      : options_(options) {
    add_first_tokens();
    add_words(words);
    collect();
  }

  void run() {
    while (size() < options_.vocabulary && !heap_.empty()) {
      Candidate best = pop();
      const std::int64_t count = pairs_(best.left, best.right).count;
      if (best.count != count) {
        best.count = count;
        push(std::move(best));
      } else if (best.count <
                 std::max<std::int64_t>(options_.min_frequency, 1)) {
        return;
      } else {
        merge(best);
      }
    }
  }

  BpeModel take_model() { return std::move(model_); }

 private:
  std::int64_t size() const {
    return static_cast<std::int64_t>(model_.tokens.size());
  }

  std::int32_t add_token(const std::string& bytes) {
    const auto [at, added] =
        ids_.emplace(bytes, static_cast<std::int32_t>(model_.tokens.size()));
    if (added) {
      model_.tokens.push_back(bytes);
    }
    return at->second;
  }

  void add_first_tokens() {
    // Words whose merges spell a special token become that token.
    for (const std::string& token : options_.special_tokens) {
      if (const auto bytes = from_byte_level(token)) {
        ids_.emplace(*bytes, static_cast<std::int32_t>(size()));
      }
      model_.tokens.push_back(token);
    }
    for (const std::uint8_t byte : bytes_in_alphabet_order()) {
      model_.bytes[byte] = add_token(std::string(1, static_cast<char>(byte)));
    }
  }

  void add_words(const WordCounts& words) {
    for (const auto& [text, count] : words) {
      words_.push_back({symbols_.size(), text.size(), count});
      for (const char c : text) {
        symbols_.push_back(model_.bytes[static_cast<unsigned char>(c)]);
      }
      const Word& word = words_.back();
      for (std::size_t i = 1; i < word.size; ++i) {
        const std::int32_t* at = &symbols_[word.begin + i];
        change(at[-1], at[0], count);
      }
      ++place_;
    }
  }

  // Adds to a pair's count. If it rises, notes the current word.
  void change(std::int32_t left, std::int32_t right, std::int64_t by) {
    PairState& pair = pairs_(left, right);
    pair.count += by;
    if (by < 0) {
      return;
    }
    if (pair.fresh.empty()) {
      touched_.emplace_back(left, right);
    }
    if (pair.fresh.empty() || pair.fresh.back() != place_) {
      pair.fresh.push_back(place_);
    }
  }

  // Makes candidates of the touched pairs.
  void collect() {
    for (const auto& [left, right] : touched_) {
      PairState& pair = pairs_(left, right);
      Places places = std::exchange(pair.fresh, {});
      if (pair.count > 0) {
        push({pair.count, left, right, std::move(places)});
      }
    }
    touched_.clear();
  }

  void merge(const Candidate& pair) {
    const auto text = [&](std::int32_t id) { return model_.tokens[id]; };
    const std::int32_t result = add_token(text(pair.left) + text(pair.right));
    const BpeMerge merge{pair.left, pair.right, result};
    model_.merges.push_back(merge);
    for (const std::uint32_t place : pair.places) {
      place_ = place;
      merge_word(words_[place], merge);
    }
    collect();
    if (options_.progress) {
      options_.progress(size());
    }
  }

  void merge_word(Word& word, const BpeMerge& merge) {
    std::int32_t* s = &symbols_[word.begin];
    std::size_t kept = 0;
    for (std::size_t i = 0; i < word.size;) {
      if (s[i] != merge.left || i + 1 == word.size || s[i + 1] != merge.right) {
        s[kept++] = s[i++];
        continue;
      }
      if (kept > 0) {
        change(s[kept - 1], merge.left, -word.count);
        change(s[kept - 1], merge.result, word.count);
      }
      s[kept++] = merge.result;
      i += 2;
      if (i < word.size) {
        change(merge.right, s[i], -word.count);
        change(merge.result, s[i], word.count);
      }
    }
    word.size = kept;
  }

  void push(Candidate candidate) {
    heap_.push_back(std::move(candidate));
    std::push_heap(heap_.begin(), heap_.end(), comes_later);
  }

  Candidate pop() {
    std::pop_heap(heap_.begin(), heap_.end(), comes_later);
    Candidate best = std::move(heap_.back());
    heap_.pop_back();
    return best;
  }

  const BpeTrainingOptions& options_;
  BpeModel model_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::vector<Word> words_;
  std::vector<std::int32_t> symbols_;
  PairMap<PairState> pairs_;
  std::vector<Candidate> heap_;
  std::vector<std::pair<std::int32_t, std::int32_t>> touched_;
  std::uint32_t place_ = 0;  // the current word
};

void check_special(const std::vector<std::string>& tokens) {
  std::set<std::string_view> seen;
  for (const std::string& token : tokens) {
    // The file's text for a single byte is that byte's token.
    if (from_byte_level(token).value_or(token).size() < 2) {
      throw UsageError("the special token {} must stand for two bytes or more",
                       quoted(token));
    }
    if (valid_utf8_prefix(token) < token.size()) {
      throw UsageError("the special token {} must be UTF-8", quoted(token));
    }
    if (!seen.insert(token).second) {
      throw UsageError("the special token {} is given twice", quoted(token));
    }
  }
}

void check(const BpeTrainingOptions& options) {
  const auto least =
      static_cast<std::int64_t>(options.special_tokens.size()) + 256;
  if (options.vocabulary < least || options.vocabulary > INT32_MAX) {
    throw UsageError(
        "the vocabulary must be at least {} (256 bytes and the "
        "special tokens) and at most {}, got {}",
        least,
        INT32_MAX,
        options.vocabulary);
  }
  check_special(options.special_tokens);
}

}  // namespace

TokenizerParts train_bpe(const WordCounts& words,
                         const BpeTrainingOptions& options) {
  check(options);
  Trainer trainer(words, options);
  trainer.run();
  TokenizerParts parts;
  parts.model = trainer.take_model();
  for (const std::string& pattern : options.patterns) {
    parts.pieces.push_back(CutText{.pattern = pattern});
  }
  std::int32_t id = 0;
  for (const std::string& token : options.special_tokens) {
    parts.added.push_back({.id = id++, .text = token, .special = true});
  }
  if (!parts.added.empty()) {
    parts.end_of_document = 0;
  }
  return parts;
}

}  // namespace dure::data
