// Cuts a text into pieces, one step after another.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dure/base/utf8.h"
#include "dure/data/tokenizer/pieces.h"
#include "dure/data/tokenizer/split_pattern.h"

namespace dure::data {

// Whether a piece begins at the beginning of the tokenizer's text.
enum class PieceAt { kBeginning, kLater };

// Each step takes the pieces of the step before it, each piece on its own.
// Without steps the text is one piece. Immutable, for any number of threads.
class Splitter {
 public:
  explicit Splitter(const PieceSteps& steps);

  // Calls word(std::string_view) for every piece of `text`, in order.
  //
  // If no step removes or adds anything, except a prefix at the beginning, the
  // pieces cover the text. If the text isn't UTF-8, they are then the pieces of
  // the text with a U+FFFD for each broken part, in the original's bytes. Other
  // steps read the U+FFFD themselves.
  template <typename Word>
  void for_each(std::string_view text,
                PieceAt at,
                SplitScratch& scratch,
                const Word& word) const {
    const std::string prefixed = with_first_prefix(text, at);
    text = prefixed.empty() ? text : prefixed;
    if (valid_utf8_prefix(text) == text.size()) {
      run_all(text, at, scratch, word);
      return;
    }
    const RepairedText repaired(text);
    if (!covers_) {
      run_all(repaired.text(), at, scratch, word);
      return;
    }
    RepairedText::Cursor cursor(repaired);
    std::size_t begin = 0;
    run_all(repaired.text(), at, scratch, [&](std::string_view piece) {
      const std::string_view all = repaired.text();
      const auto past = piece.data() + piece.size() - all.data();
      const std::size_t end = cursor.original(static_cast<std::size_t>(past));
      word(text.substr(begin, end - begin));
      begin = end;
    });
  }

  // Whether the pieces depend on where the text begins.
  bool asks_for_beginning() const;

 private:
  struct Cutter {
    SplitPattern pattern;
    CutText::Match match;
    CutText::Pattern says;
  };
  using Step = std::variant<Cutter, AddPrefix, ReplaceText>;

  struct Piece {
    std::size_t begin;
    std::size_t end;
  };

  // Empty if no prefix is added.
  std::string with_first_prefix(std::string_view text, PieceAt at) const;
  static std::string with_prefix(std::string_view text,
                                 PieceAt at,
                                 const AddPrefix& prefix);
  static std::vector<Piece> pieces(const SplitPattern::Subject& text,
                                   const Cutter& cutter,
                                   SplitScratch& scratch);

  template <typename Word>
  void run_all(std::string_view text,
               PieceAt at,
               SplitScratch& scratch,
               const Word& word) const {
    run(0, SplitPattern::Subject(text), at, scratch, word);
  }

  template <typename Word>
  void run(std::size_t step,
           const SplitPattern::Subject& subject,
           PieceAt at,
           SplitScratch& scratch,
           const Word& word) const {
    if (step == steps_.size()) {
      word(subject.text);
      return;
    }
    if (const auto* cutter = std::get_if<Cutter>(&steps_[step])) {
      cut(step, *cutter, subject, at, scratch, word);
      return;
    }
    const auto* prefix = std::get_if<AddPrefix>(&steps_[step]);
    const std::string changed =
        prefix != nullptr
            ? with_prefix(subject.text, at, *prefix)
            : replaced(subject.text, std::get<ReplaceText>(steps_[step]));
    if (!changed.empty()) {
      run(step + 1, SplitPattern::Subject(changed), at, scratch, word);
    }
  }

  template <typename Word>
  void cut(std::size_t step,
           const Cutter& cutter,
           const SplitPattern::Subject& subject,
           PieceAt at,
           SplitScratch& scratch,
           const Word& word) const {
    const bool is_last = step + 1 == steps_.size();
    const auto go_on = [&](std::size_t begin, std::size_t end) {
      const std::string_view piece = subject.text.substr(begin, end - begin);
      if (is_last) {
        word(piece);
        return;
      }
      run(step + 1,
          {piece, subject.classes},
          begin == 0 ? at : PieceAt::kLater,
          scratch,
          word);
    };
    if (cutter.match != CutText::Match::kIsolated) {
      for (const Piece& piece : pieces(subject, cutter, scratch)) {
        go_on(piece.begin, piece.end);
      }
      return;
    }
    SplitPattern::Ends ends{};
    std::size_t begin = 0;
    for (auto found = cutter.pattern.next(subject, begin, ends, scratch);
         found.words > 0;
         found = cutter.pattern.next(subject, begin, ends, scratch)) {
      for (std::size_t i = 0; i < found.words; ++i) {
        go_on(begin, ends[i]);
        begin = ends[i];
      }
    }
  }

  std::optional<AddPrefix> first_prefix_;
  std::vector<Step> steps_;  // after it
  bool covers_ = true;
};

}  // namespace dure::data
