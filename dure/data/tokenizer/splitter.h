// A text cut into words by one pattern after another.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "dure/base/utf8.h"
#include "dure/data/tokenizer/split_pattern.h"

namespace dure::data {

// Each stage cuts the pieces of the stage before it, each piece on its own.
// Without stages the text is one word.
class Splitter {
 public:
  explicit Splitter(std::vector<SplitPattern> stages)
      : stages_(std::move(stages)) {}

  // Calls word(std::string_view) for every word of `text`, in order. The words
  // cover the text. Where it isn't UTF-8, they are those of the text with a
  // U+FFFD for each broken part, in the original's bytes.
  template <typename Word>
  void for_each(std::string_view text,
                SplitScratch& scratch,
                const Word& word) const {
    if (valid_utf8_prefix(text) == text.size()) {
      run(0, text, scratch, word);
      return;
    }
    const RepairedText repaired(text);
    RepairedText::Cursor cursor(repaired);
    std::size_t begin = 0;
    run(0, repaired.text(), scratch, [&](std::string_view piece) {
      const std::string_view all = repaired.text();
      const auto past = piece.data() + piece.size() - all.data();
      const std::size_t end = cursor.original(static_cast<std::size_t>(past));
      word(text.substr(begin, end - begin));
      begin = end;
    });
  }

 private:
  template <typename Word>
  void run(std::size_t stage,
           std::string_view text,
           SplitScratch& scratch,
           const Word& word) const {
    if (stage == stages_.size()) {
      word(text);
      return;
    }
    std::array<std::size_t, SplitPattern::kBatch + 1> ends{};
    std::size_t begin = 0;
    while (const auto count = stages_[stage].next(text, begin, ends, scratch)) {
      for (std::size_t i = 0; i < count; ++i) {
        run(stage + 1, text.substr(begin, ends[i] - begin), scratch, word);
        begin = ends[i];
      }
    }
  }

  std::vector<SplitPattern> stages_;
};

}  // namespace dure::data
