// Cutting a text into words with a regular expression, as tokenizers do.
//
// Hugging Face runs these patterns in Oniguruma, we in PCRE2 (UTF, JIT). The
// two agree on what vocabularies use, \p{...}, classes, lookahead, (?i:...),
// once \s is written out: PCRE2 counts U+180E as a space, Oniguruma doesn't.
// Constructs that they read differently (\b, \w, ^, $, {n,m}+, nested classes)
// are refused.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "dure/data/tokenizer/pattern_dialect.h"

namespace dure::data {

// The patterns of GPT-2's, Llama 3's and Qwen2's words.
extern const std::string_view kGpt2Pattern;
extern const std::string_view kLlama3Pattern;
extern const std::string_view kQwen2Pattern;

// A pattern that matches exactly this text.
std::string literal_pattern(std::string_view text);

// The state that matching needs; one for each thread.
class SplitScratch {
 public:
  SplitScratch();
  ~SplitScratch();

 private:
  friend class SplitPattern;
  struct State;
  State& state();

  std::unique_ptr<State> state_;  // made when it is first needed
};

// Immutable, for any number of threads.
class SplitPattern {
 public:
  // The most words that one match finds. Calling the matcher costs as much as
  // a short word, so the pattern is compiled kBatch times in a row.
  static constexpr std::size_t kBatch = 8;

  // A text in UTF-8, and the classes that are right for its characters.
  struct Subject {
    explicit Subject(std::string_view of);
    Subject(std::string_view of, CharacterClasses its)
        : text(of), classes(its) {}

    std::string_view text;
    CharacterClasses classes;
  };

  using Ends = std::array<std::size_t, kBatch + 1>;

  struct Found {
    std::size_t words;
    std::size_t between;  // 1 where no match covers the first of them, else 0
  };

  explicit SplitPattern(std::string_view pattern);
  SplitPattern(SplitPattern&&) noexcept;
  ~SplitPattern();

  // Writes the ends of the next words, the first of which begins at `begin`,
  // and returns how many there are (0 at the end of the text). The words follow
  // one another without gaps: text that no match covers is a word too.
  Found next(const Subject& subject,
             std::size_t begin,
             Ends& ends,
             SplitScratch& scratch) const;

 private:
  struct Code;
  std::unique_ptr<Code> quick_;
  std::unique_ptr<Code> exact_;
};

}  // namespace dure::data
