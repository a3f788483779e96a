// How a text is cut into the pieces that a model reads, as plain values: every
// pre-tokenizer of Hugging Face's is a sequence of these.
//
//   ByteLevel   AddPrefix " ", then CutText at GPT-2's words
//   Metaspace   Replace " " by "▁", AddPrefix "▁", CutText before each "▁"
//   Digits      CutText at each digit
#pragma once

#include <string>
#include <variant>
#include <vector>

namespace dure::data {

// Cuts each piece by the matches of a pattern.
struct CutText {
  // A match is a piece of its own, is removed, ends or begins a piece beside
  // it, or is joined with the matches beside it.
  enum class Match { kIsolated, kRemoved, kEndsPiece, kBeginsPiece, kJoined };
  // Whether the pattern describes a match, or the text between matches.
  enum class Pattern { kMatches, kBetween };

  std::string pattern;  // pattern_dialect.h
  Match match = Match::kIsolated;
  Pattern says = Pattern::kMatches;
};

// Puts a prefix before each piece, or before the beginning of the text, unless
// it is there already.
struct AddPrefix {
  enum class To { kEveryPiece, kBeginning };

  std::string prefix = " ";
  To to = To::kEveryPiece;
};

// Replaces each occurrence of `from`.
struct ReplaceText {
  std::string from;
  std::string to;
};

using PieceStep = std::variant<CutText, AddPrefix, ReplaceText>;
using PieceSteps = std::vector<PieceStep>;

// The text with each `from` replaced.
std::string replaced(std::string_view text, const ReplaceText& replace);

}  // namespace dure::data
