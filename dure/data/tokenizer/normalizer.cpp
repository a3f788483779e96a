#include "dure/data/tokenizer/normalizer.h"

#include <algorithm>
#include <fmt/core.h>
#include <type_traits>
#include <utf8proc.h>

#include "dure/data/tokenizer/code_points.h"

namespace dure::data {
namespace {

char32_t lower(char32_t code) {
  const auto later = later_lower_case();
  const auto found = std::lower_bound(
      later.begin(), later.end(), code, [](const LowerPair& pair, char32_t c) {
        return pair.from < c;
      });
  if (found != later.end() && found->from == code) {
    return found->to;
  }
  return static_cast<char32_t>(
      utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}

// Copies ASCII, and calls `each` to append the result for other characters.
template <typename Each>
std::string rewritten(std::string_view text, const Each& each) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = skip_ascii(text, at);
    result += text.substr(at, end - at);
    at = end;
    if (at < text.size()) {
      const Character c = character_at(text, at);
      each(c, text.substr(at, c.bytes), result);
      at += c.bytes;
    }
  }
  return result;
}

}  // namespace

std::string lower_case(std::string_view text) {
  constexpr char32_t kCapitalIWithDot = 0x130;
  std::string result = rewritten(
      text, [](const Character& c, std::string_view, std::string& to) {
        if (c.code == kCapitalIWithDot) {
          to += "i\xcc\x87";
        } else {
          append_utf8(lower(c.code), to);
        }
      });
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    }
  }
  return result;
}

std::string without_accents(std::string_view text) {
  return rewritten(
      text, [](const Character& c, std::string_view bytes, std::string& to) {
        if (!holds(combining_marks(), c.code)) {
          to += bytes;
        }
      });
}

std::string without_spaces(std::string_view text, StripSpaces::Ends ends) {
  if (ends != StripSpaces::Ends::kRight) {
    text.remove_prefix(spaces_at_begin(text));
  }
  if (ends != StripSpaces::Ends::kLeft) {
    text.remove_suffix(spaces_at_end(text));
  }
  return std::string(text);
}

std::string replaced(std::string_view text,
                     const SplitPattern& pattern,
                     std::string_view to,
                     SplitScratch& scratch) {
  const SplitPattern::Subject subject(text);
  SplitPattern::Ends ends{};
  std::string result;
  std::size_t begin = 0;
  for (auto found = pattern.next(subject, begin, ends, scratch);
       found.words > 0;
       found = pattern.next(subject, begin, ends, scratch)) {
    if (found.between > 0) {
      result += text.substr(begin, ends[0] - begin);
    }
    for (std::size_t i = found.between; i < found.words; ++i) {
      result += to;
    }
    begin = ends[found.words - 1];
  }
  return result;
}

struct Normalizer::Apply {
  std::string operator()(const CharacterMap& map) const {
    return map.apply(text);
  }
  std::string operator()(const NormalForm& form) const {
    return normal_form(text, form);
  }
  std::string operator()(const ReplaceText& replace) const {
    return replaced(text, replace);
  }
  std::string operator()(const Replacer& replace) const {
    return replaced(text, replace.pattern, replace.to, scratch);
  }
  std::string operator()(const Prepend& prepend) const {
    return text.empty() ? "" : fmt::format("{}{}", prepend.prefix, text);
  }
  std::string operator()(const ToLowerCase& /*step*/) const {
    return lower_case(text);
  }
  std::string operator()(const StripAccents& /*step*/) const {
    return without_accents(text);
  }
  std::string operator()(const StripSpaces& strip) const {
    return without_spaces(text, strip.ends);
  }

  std::string_view text;
  SplitScratch& scratch;
};

struct Normalizer::TakesBeginning {
  bool operator()(const ReplaceText& replace) const {
    return replace.to.empty() && text.starts_with(replace.from);
  }
  bool operator()(const Replacer& replace) const {
    SplitPattern::Ends ends{};
    const SplitPattern::Subject subject(text);
    const auto found = replace.pattern.next(subject, 0, ends, scratch);
    return replace.to.empty() && found.words > 0 && found.between == 0;
  }
  bool operator()(const StripAccents& /*step*/) const {
    return !text.empty() &&
           holds(combining_marks(), character_at(text, 0).code);
  }
  bool operator()(const StripSpaces& strip) const {
    return strip.ends != StripSpaces::Ends::kRight && spaces_at_begin(text) > 0;
  }
  template <typename Other>
  bool operator()(const Other& /*step*/) const {
    return false;
  }

  std::string_view text;
  SplitScratch& scratch;
};

Normalizer::Normalizer(const NormalizerSteps& steps) {
  for (const NormalizerStep& step : steps) {
    std::visit(
        [&](const auto& s) {
          using Kind = std::decay_t<decltype(s)>;
          if constexpr (std::is_same_v<Kind, ReplaceMatches>) {
            steps_.push_back(Replacer{SplitPattern(s.pattern), s.to});
          } else if constexpr (std::is_same_v<Kind, MapCharacters>) {
            steps_.push_back(CharacterMap(s.table));
          } else {
            steps_.push_back(s);
          }
        },
        step);
  }
}

std::string Normalizer::operator()(std::string_view text,
                                   SplitScratch& scratch) const {
  std::string result(text);
  for (const Step& step : steps_) {
    result = std::visit(Apply{result, scratch}, step);
  }
  return result;
}

bool Normalizer::keeps_beginning(std::string_view text,
                                 SplitScratch& scratch) const {
  std::string result(text);
  for (const Step& step : steps_) {
    if (std::visit(TakesBeginning{result, scratch}, step)) {
      return false;
    }
    result = std::visit(Apply{result, scratch}, step);
  }
  return true;
}

}  // namespace dure::data
