#include "dure/data/tokenizer/pattern_dialect.h"

#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <fmt/core.h>
#include <optional>
#include <sstream>

#include "dure/base/check.h"
#include "dure/data/tokenizer/unicode_property.h"

namespace dure::data {
namespace {

// Unicode's White_Space. PCRE2's own \s adds U+180E (as \h has it).
constexpr std::string_view kSpaces =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a})"
    R"(\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

class Translator {
 public:
  Translator(std::string_view pattern, CharacterClasses classes)
      : pattern_(pattern), classes_(classes) {}

  std::string run() {
    while (at_ < pattern_.size()) {
      if (pattern_[at_] == '\\') {
        escape();
      } else if (in_class_) {
        class_member();
      } else {
        outside();
      }
    }
    return out_;
  }

 private:
  void refuse(std::string_view what) const {
    DURE_CHECK(false,
               "the splitting pattern \"{}\" holds {} at byte {}, which is not "
               "supported",
               pattern_,
               what,
               at_);
  }

  bool comes(std::string_view text) const {
    return pattern_.substr(at_, text.size()) == text;
  }

  void copy(std::size_t bytes) {
    out_ += pattern_.substr(at_, bytes);
    at_ += bytes;
  }

  void escape() {
    if (at_ + 1 == pattern_.size()) {
      refuse("a \\ at its end");
    }
    const char next = pattern_[at_ + 1];
    const auto byte = static_cast<unsigned char>(next);
    if (next == 's' || next == 'S') {
      space(next == 's');
    } else if (next == 'd' || next == 'D') {
      at_ += 2;
      property("Nd", next == 'd' ? Holds::kThese : Holds::kOthers);
    } else if (next == 'p' || next == 'P') {
      property();
    } else if (next == 'u') {
      code_point();
    } else if (next == 'x') {
      braced();
    } else if (std::string_view("rnt").find(next) != std::string_view::npos ||
               (byte < 0x80 && std::isalnum(byte) == 0)) {
      copy(2);
    } else {
      refuse(fmt::format("\\{}", next));
    }
  }

  // \x{2028}: the braces belong to the escape and are no repetition.
  void braced() {
    copy(2);
    if (comes("{")) {
      const std::size_t end = pattern_.find('}', at_);
      copy(end == std::string_view::npos ? 1 : end + 1 - at_);
    }
  }

  // \u2028 is a code point.
  void code_point() {
    const std::string_view digits = pattern_.substr(at_ + 2, 4);
    unsigned code = 0;
    const char* const end = digits.data() + digits.size();
    if (digits.size() < 4 ||
        std::from_chars(digits.data(), end, code, 16).ptr != end) {
      refuse("\\u without four digits");
    }
    out_ += fmt::format("\\x{{{}}}", digits);
    at_ += 6;
  }

  enum class Holds { kThese, kOthers };

  // \p{L}, \pL, \P{L} and \p{^L} are properties.
  void property() {
    Holds holds = pattern_[at_ + 1] == 'p' ? Holds::kThese : Holds::kOthers;
    const std::size_t end = pattern_.find('}', at_);
    if (pattern_.substr(at_ + 2, 1) != "{" || end == std::string_view::npos) {
      refuse("a property without braces");
    }
    std::string_view name = pattern_.substr(at_ + 3, end - at_ - 3);
    if (name.starts_with('^')) {
      name.remove_prefix(1);
      holds = holds == Holds::kThese ? Holds::kOthers : Holds::kThese;
    }
    property(name, holds);
    at_ = end + 1;
  }

  void property(std::string_view name, Holds holds) {
    const auto found = UnicodeProperty::named(name);
    if (!found) {
      refuse(fmt::format("the property {}", name));
    }
    if (!in_class_) {
      out_ += fmt::format("{}{}]",
                          holds == Holds::kThese ? "[" : "[^",
                          found->members(classes_));
    } else {
      out_ += holds == Holds::kThese ? found->members(classes_)
                                     : found->others(classes_);
    }
  }

  void space(bool white) {  // NOLINT: which of the two escapes was read
    if (in_class_) {
      out_ += white ? std::string(kSpaces) : R"(\S\x{180e})";
    } else {
      out_ += fmt::format("{}{}]", white ? "[" : "[^", kSpaces);
    }
    at_ += 2;
  }

  void class_member() {
    if (comes("[") || comes("&&")) {
      refuse("a nested class");
    }
    in_class_ = !comes("]");
    copy(1);
  }

  void outside() {
    if (comes("^") || comes("$") || comes(".")) {
      refuse(pattern_.substr(at_, 1));
    }
    for (const char* other : {"}+", "{,", "(*"}) {
      if (comes(other)) {
        refuse(other);
      }
    }
    if (comes("[")) {
      open_class();
    } else if (comes("(")) {
      open_group();
    } else {
      copy(1);
    }
  }

  // Groups are never used by number, and PCRE2's are words. Options extend to
  // the group's end in both dialects, but not over the same alternatives.
  void open_group() {
    if (!comes("(?")) {
      out_ += "(?:";
      ++at_;
      return;
    }
    const std::size_t end = pattern_.find_first_not_of("imx-", at_ + 2);
    if (at_ > 0 && end != std::string_view::npos && end > at_ + 2 &&
        pattern_[end] == ')') {
      refuse("options within it");
    }
    copy(2);
  }

  void open_class() {
    in_class_ = true;
    copy(comes("[^") ? 2 : 1);
    if (comes("]")) {
      refuse("an empty class");
    }
  }

  std::string_view pattern_;
  CharacterClasses classes_;
  std::string out_;
  std::size_t at_ = 0;
  bool in_class_ = false;
};

}  // namespace

std::string to_pcre2_dialect(std::string_view pattern,
                             CharacterClasses classes) {
  return Translator(pattern, classes).run();
}

std::string class_members(std::span<const CodePoints> ranges) {
  std::ostringstream text;
  text << std::hex;
  for (const CodePoints& range : ranges) {
    text << "\\x{" << std::uint32_t{range.first} << "}";
    if (range.last > range.first) {
      text << "-\\x{" << std::uint32_t{range.last} << "}";
    }
  }
  return text.str();
}

}  // namespace dure::data
