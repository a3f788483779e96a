// Changes to a text before it is cut, as Hugging Face's normalizers make them.
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

// Puts a prefix before a text that isn't empty.
struct Prepend {
  std::string prefix;
};

struct ToLowerCase {};

// Removes combining marks: accents, after NFD.
struct StripAccents {};

// Removes white space at the ends.
struct StripSpaces {
  enum class Ends { kLeft, kRight, kBoth };
  Ends ends = Ends::kBoth;
};

// Replaces characters by SentencePiece's table: character_map.h.
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

// Runs one step after another. Immutable, for any number of threads.
class Normalizer {
 public:
  explicit Normalizer(const NormalizerSteps& steps);

  // `text` is UTF-8.
  std::string operator()(std::string_view text, SplitScratch& scratch) const;

  // Whether the normalized text's first character stands for the text's first
  // character, which has not been removed.
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

// Lower case letter by letter, whatever stands beside it: a final sigma is
// treated as any sigma.
std::string lower_case(std::string_view text);

std::string without_accents(std::string_view text);

std::string without_spaces(std::string_view text, StripSpaces::Ends ends);

}  // namespace dure::data
