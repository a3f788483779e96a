// How a text is cut into the pieces that a model reads, as plain values: every
// pre-tokenizer of Hugging Face's is a row of these.
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
  // What becomes of a match: a piece of its own, nothing, the end or the
  // beginning of a piece beside it, a piece with the matches beside it.
  enum class Match { kIsolated, kRemoved, kEndsPiece, kBeginsPiece, kJoined };
  // Whether what the pattern says is a match, or what lies between.
  enum class Pattern { kMatches, kBetween };

  std::string pattern;  // pattern_dialect.h
  Match match = Match::kIsolated;
  Pattern says = Pattern::kMatches;
};

// Puts a prefix before each piece, or before what begins the text, where it
// does not stand there.
struct AddPrefix {
  enum class To { kEveryPiece, kBeginning };

  std::string prefix = " ";
  To to = To::kEveryPiece;
};

// Replaces each occurrence.
struct ReplaceText {
  std::string from;
  std::string to;
};

using PieceStep = std::variant<CutText, AddPrefix, ReplaceText>;
using PieceSteps = std::vector<PieceStep>;

// The text with each `from` replaced.
std::string replaced(std::string_view text, const ReplaceText& replace);

}  // namespace dure::data
