#include "dure/data/tokenizer/huggingface_pieces.h"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <utility>

#include "dure/base/quote.h"
#include "dure/data/tokenizer/code_points.h"
#include "dure/data/tokenizer/pattern_dialect.h"
#include "dure/data/tokenizer/split_pattern.h"

namespace dure::data {
namespace {

// The members of \w in Rust's regular expressions: is_word_character().
constexpr std::string_view kWordMembers =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200c}\x{200d}\x{24b6}-\x{24e9})"
    R"(\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";

CutText::Match match_of(const Json& stage) {
  static constexpr std::array<std::pair<std::string_view, CutText::Match>, 5>
      kNames = {{{"Isolated", CutText::Match::kIsolated},
                 {"Removed", CutText::Match::kRemoved},
                 {"MergedWithPrevious", CutText::Match::kEndsPiece},
                 {"MergedWithNext", CutText::Match::kBeginsPiece},
                 {"Contiguous", CutText::Match::kJoined}}};
  const Json& behavior = part(stage, "behavior");
  const auto found =
      std::find_if(kNames.begin(), kNames.end(), [&](const auto& name) {
        return behavior.is_string() &&
               behavior.get_ref<const std::string&>() == name.first;
      });
  DURE_CHECK(
      found != kNames.end(),
      "a {} pre-tokenizer with behavior {} is not supported: only Isolated, "
      "Removed, MergedWithPrevious, MergedWithNext and Contiguous are",
      type_of(stage),
      shown(behavior));
  return found->second;
}

void read_split(const Json& split, PieceSteps& steps) {
  const JsonPattern pattern = pattern_in(split);
  steps.push_back(CutText{.pattern = pattern.kind == JsonPattern::Kind::kRegex
                                         ? pattern.text
                                         : literal_pattern(pattern.text),
                          .match = match_of(split),
                          .says = flag(split, "invert", "Split")
                                      ? CutText::Pattern::kBetween
                                      : CutText::Pattern::kMatches});
}

void read_digits(const Json& stage, PieceSteps& steps) {
  const std::string digit = fmt::format(R"([\p{{N}})"
                                        "{}]",
                                        class_members(numbers_of_unicode_17()));
  const bool single = flag(stage, "individual_digits", "Digits");
  steps.push_back(CutText{.pattern = single ? digit : digit + "+"});
}

void read_punctuation(const Json& stage, PieceSteps& steps) {
  steps.push_back(CutText{
      .pattern = fmt::format("[{}]", class_members(punctuation())),
      .match = part(stage, "behavior").is_null() ? CutText::Match::kIsolated
                                                 : match_of(stage)});
}

void read_whitespace(PieceSteps& steps) {
  steps.push_back(
      CutText{.pattern = fmt::format(R"([{0}]+|[^\s{0}]+)", kWordMembers),
              .match = CutText::Match::kRemoved,
              .says = CutText::Pattern::kBetween});
}

void read_byte_level(const Json& stage, PieceSteps& steps) {
  if (flag(stage, "add_prefix_space", "ByteLevel")) {
    steps.push_back(AddPrefix{});
  }
  const Json& use_regex = part(stage, "use_regex");  // old files lack it
  if (use_regex.is_null() || flag(stage, "use_regex", "ByteLevel")) {
    steps.push_back(CutText{.pattern = std::string(kGpt2Pattern)});
  }
}

// Old files have add_prefix_space, newer ones prepend_scheme.
std::string prepend_scheme_of(const Json& stage) {
  const Json& scheme = part(stage, "prepend_scheme");
  const bool never = part(stage, "add_prefix_space").is_boolean() &&
                     !flag(stage, "add_prefix_space", "Metaspace");
  DURE_CHECK(!never || scheme.is_null() || scheme == "never",
             "Metaspace.add_prefix_space is false, and its prepend_scheme is "
             "{}: make it \"never\"",
             shown(scheme));
  const std::string name = never ? "never"
                           : scheme.is_null()
                               ? "always"
                               : text_in(stage, "prepend_scheme");
  DURE_CHECK(name == "always" || name == "first" || name == "never",
             "Metaspace.prepend_scheme {} is not supported: only always, first "
             "and never are",
             quoted(name));
  return name;
}

void read_metaspace(const Json& stage, PieceSteps& steps) {
  const std::string space = metaspace_of(stage);
  const std::string scheme = prepend_scheme_of(stage);
  steps.push_back(ReplaceText{.from = " ", .to = space});
  if (scheme != "never") {
    steps.push_back(AddPrefix{.prefix = space,
                              .to = scheme == "first"
                                        ? AddPrefix::To::kBeginning
                                        : AddPrefix::To::kEveryPiece});
  }
  if (part(stage, "split").is_null() || flag(stage, "split", "Metaspace")) {
    steps.push_back(CutText{.pattern = literal_pattern(space),
                            .match = CutText::Match::kBeginsPiece});
  }
}

void read_stage(const Json& stage, PieceSteps& steps) {
  const std::string type = type_of(stage);
  const CutText at_spaces{.pattern = R"(\s)",
                          .match = CutText::Match::kRemoved};
  if (type == "Split") {
    read_split(stage, steps);
  } else if (type == "Digits") {
    read_digits(stage, steps);
  } else if (type == "ByteLevel") {
    read_byte_level(stage, steps);
  } else if (type == "Metaspace") {
    read_metaspace(stage, steps);
  } else if (type == "Punctuation") {
    read_punctuation(stage, steps);
  } else if (type == "Whitespace") {
    read_whitespace(steps);
  } else if (type == "WhitespaceSplit") {
    steps.push_back(at_spaces);
  } else {
    DURE_CHECK(false,
               "pre-tokenizer {} is not supported: only ByteLevel, Metaspace, "
               "Split, Digits, Punctuation, Whitespace and WhitespaceSplit "
               "are, alone or in a Sequence",
               quoted(type));
  }
}

}  // namespace

ReadPieces read_pre_tokenizer(const Json& object) {
  ReadPieces pieces;
  for (const Json& stage : stages_of(object, "pretokenizers")) {
    // ByteLevel writes bytes as other characters, which later patterns would
    // read.
    DURE_CHECK(pieces.symbols == SymbolKind::kCharacters,
               "pre-tokenizer {} after ByteLevel is not supported: ByteLevel "
               "must be the last",
               quoted(type_of(stage)));
    read_stage(stage, pieces.steps);
    if (type_of(stage) == "ByteLevel") {
      pieces.symbols = SymbolKind::kBytes;
    }
  }
  return pieces;
}

}  // namespace dure::data
