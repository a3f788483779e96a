#include "dure/data/tokenizer/splitter.h"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

namespace dure::data {
namespace {

struct Span {
  std::size_t begin;
  std::size_t end;
  bool match;
};

// All matches in a text, and the spans between them.
std::vector<Span> spans(const SplitPattern::Subject& text,
                        const SplitPattern& pattern,
                        SplitScratch& scratch) {
  std::vector<Span> all;
  SplitPattern::Ends ends{};
  std::size_t begin = 0;
  for (auto found = pattern.next(text, begin, ends, scratch); found.words > 0;
       found = pattern.next(text, begin, ends, scratch)) {
    for (std::size_t i = 0; i < found.words; ++i) {
      all.push_back({begin, ends[i], i >= found.between});
      begin = ends[i];
    }
  }
  return all;
}

// Whether `next` belongs to the piece whose last span is `last`.
bool belongs(CutText::Match match, const Span& last, const Span& next) {
  switch (match) {
    case CutText::Match::kEndsPiece:
      return next.match && !last.match;
    case CutText::Match::kBeginsPiece:
      return last.match && !next.match;
    case CutText::Match::kJoined:
      return last.match == next.match;
    case CutText::Match::kIsolated:
    case CutText::Match::kRemoved:
      break;
  }
  return false;
}

}  // namespace

std::string replaced(std::string_view text, const ReplaceText& replace) {
  std::string result;
  std::size_t from = 0;
  for (std::size_t at = text.find(replace.from); at != std::string_view::npos;
       at = text.find(replace.from, from)) {
    result += text.substr(from, at - from);
    result += replace.to;
    from = at + replace.from.size();
  }
  result += text.substr(from);
  return result;
}

Splitter::Splitter(const PieceSteps& steps) {
  for (const PieceStep& step : steps) {
    if (const auto* cut = std::get_if<CutText>(&step)) {
      covers_ = covers_ && cut->match != CutText::Match::kRemoved;
      steps_.push_back(
          Cutter{SplitPattern(cut->pattern), cut->match, cut->says});
    } else if (const auto* prefix = std::get_if<AddPrefix>(&step);
               prefix != nullptr && steps_.empty() && !first_prefix_) {
      first_prefix_ = *prefix;
    } else {
      covers_ = false;
      if (prefix != nullptr) {
        steps_.push_back(*prefix);
      } else {
        steps_.push_back(std::get<ReplaceText>(step));
      }
    }
  }
}

bool Splitter::asks_for_beginning() const {
  const auto asks = [](const AddPrefix& prefix) {
    return prefix.to == AddPrefix::To::kBeginning;
  };
  return (first_prefix_ && asks(*first_prefix_)) ||
         std::any_of(steps_.begin(), steps_.end(), [&](const Step& step) {
           const auto* prefix = std::get_if<AddPrefix>(&step);
           return prefix != nullptr && asks(*prefix);
         });
}

std::string Splitter::with_first_prefix(std::string_view text,
                                        PieceAt at) const {
  const bool stands = !first_prefix_ || text.starts_with(first_prefix_->prefix);
  return stands ? "" : with_prefix(text, at, *first_prefix_);
}

std::string Splitter::with_prefix(std::string_view text,
                                  PieceAt at,
                                  const AddPrefix& prefix) {
  const bool wanted =
      prefix.to == AddPrefix::To::kEveryPiece || at == PieceAt::kBeginning;
  return wanted && !text.starts_with(prefix.prefix)
             ? fmt::format("{}{}", prefix.prefix, text)
             : std::string(text);
}

std::vector<Splitter::Piece> Splitter::pieces(const SplitPattern::Subject& text,
                                              const Cutter& cutter,
                                              SplitScratch& scratch) {
  std::vector<Piece> pieces;
  std::optional<Span> last;
  for (Span span : spans(text, cutter.pattern, scratch)) {
    span.match = span.match == (cutter.says == CutText::Pattern::kMatches);
    if (last && belongs(cutter.match, *last, span)) {
      pieces.back().end = span.end;
    } else if (cutter.match != CutText::Match::kRemoved || !span.match) {
      pieces.push_back({span.begin, span.end});
    }
    last = span;
  }
  return pieces;
}

}  // namespace dure::data
