// What is done to a text before it is cut, as Hugging Face's normalizers do it.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dure/data/tokenizer/character_map.h"
#include "dure/data/tokenizer/normal_form.h"
#include "dure/data/tokenizer/pieces.h"
#include "dure/data/tokenizer/split_pattern.h"

namespace dure::data {

// Replaces each match of a pattern.
struct ReplaceMatches {
  std::string pattern;  // pattern_dialect.h
  std::string to;
};

// Before a text that isn't empty.
struct Prepend {
  std::string prefix;
};

struct ToLowerCase {};

// Takes combining marks away: accents, after NFD.
struct StripAccents {};

// Takes white space away at the ends.
struct StripSpaces {
  enum class Ends { kLeft, kRight, kBoth };
  Ends ends = Ends::kBoth;
};

// What characters become by SentencePiece's table: character_map.h.
struct MapCharacters {
  std::string table;
};

using NormalizerStep = std::variant<MapCharacters,
                                    NormalForm,
                                    ReplaceText,
                                    ReplaceMatches,
                                    Prepend,
                                    ToLowerCase,
                                    StripAccents,
                                    StripSpaces>;
using NormalizerSteps = std::vector<NormalizerStep>;

// One step after another. Immutable, for any number of threads.
class Normalizer {
 public:
  explicit Normalizer(const NormalizerSteps& steps);

  // `text` is UTF-8.
  std::string operator()(std::string_view text, SplitScratch& scratch) const;

  // Whether the first character of what becomes of the text stands for its
  // first character, which has not been taken away.
  bool keeps_beginning(std::string_view text, SplitScratch& scratch) const;

  bool empty() const { return steps_.empty(); }

 private:
  struct Replacer {
    SplitPattern pattern;
    std::string to;
  };
  using Step = std::variant<CharacterMap,
                            NormalForm,
                            ReplaceText,
                            Replacer,
                            Prepend,
                            ToLowerCase,
                            StripAccents,
                            StripSpaces>;
  struct Apply;
  struct TakesBeginning;

  std::vector<Step> steps_;
};

// The text with each match replaced.
std::string replaced(std::string_view text,
                     const SplitPattern& pattern,
                     std::string_view to,
                     SplitScratch& scratch);

// Letter by letter, whatever stands beside it: a final sigma is any sigma.
std::string lower_case(std::string_view text);

std::string without_accents(std::string_view text);

std::string without_spaces(std::string_view text, StripSpaces::Ends ends);

}  // namespace dure::data
