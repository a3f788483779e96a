// Cutting a text into words with a regular expression, as tokenizers do.
//
// Hugging Face runs these patterns in Oniguruma, we in PCRE2 (UTF, JIT). The
// two agree on what vocabularies use, \p{...}, classes, lookahead, (?i:...),
// after \s is written out: PCRE2 counts U+180E as a space, Oniguruma doesn't.
// What they read differently (\b, \w, ^, $, {n,m}+, nested classes) is refused.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace dure::data {

// GPT-2's words, and Llama 3's. Their values stand with their making.
extern const std::string_view kGpt2Pattern;
extern const std::string_view kLlama3Pattern;

// A pattern that matches just this text.
std::string literal_pattern(std::string_view text);

// What one thread needs to match. Not for use by two at once.
class SplitScratch {
 public:
  SplitScratch();
  ~SplitScratch();

 private:
  friend class SplitPattern;
  struct State;
  std::unique_ptr<State> state_;
};

// Immutable, for any number of threads.
class SplitPattern {
 public:
  // The most words that one match finds. Calling the matcher costs as much as
  // a short word, so the pattern is compiled kBatch times in a row.
  static constexpr std::size_t kBatch = 8;

  explicit SplitPattern(std::string_view pattern);
  SplitPattern(SplitPattern&&) noexcept;
  ~SplitPattern();

  // Writes the ends of the next words, the first of which begins at `begin`,
  // and returns how many (0 at the end of the text). The words follow one
  // another without gaps: what no match covers is a word too. `text` is UTF-8.
  std::size_t next(std::string_view text,
                   std::size_t begin,
                   std::span<std::size_t, kBatch + 1> ends,
                   SplitScratch& scratch) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace dure::data
