#include "dure/data/tokenizer/pattern_dialect.h"

#include <cctype>
#include <cstddef>

#include "dure/base/check.h"

namespace dure::data {
namespace {

// Unicode's White_Space. PCRE2's own \s adds U+180E (since \h has it).
constexpr std::string_view kSpaces =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a})"
    R"(\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

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
               "the splitting pattern \"",
               pattern_,
               "\" holds ",
               what,
               " at byte ",
               at_,
               ", which is not supported");
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
    const auto next = static_cast<unsigned char>(pattern_[at_ + 1]);
    if (next == 's' || next == 'S') {
      space(next == 's');
    } else if (next == 'p' || next == 'P' || next == 'x') {
      braced();
    } else if (std::string_view("rntdD").find(static_cast<char>(next)) !=
                   std::string_view::npos ||
               (next < 0x80 && std::isalnum(next) == 0)) {
      copy(2);
    } else {
      refuse(concat("\\", static_cast<char>(next)));
    }
  }

  // \p{L}, \x{2028}: the braces are the escape's own, no repetition.
  void braced() {
    copy(2);
    if (comes("{")) {
      const std::size_t end = pattern_.find('}', at_);
      copy(end == std::string_view::npos ? 1 : end + 1 - at_);
    }
  }

  void space(bool white) {  // NOLINT: which of the two escapes was read
    if (in_class_) {
      out_ += white ? std::string(kSpaces) : R"(\S\x{180e})";
    } else {
      out_ += concat(white ? "[" : "[^", kSpaces, "]");
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
    if (comes("}+")) {
      refuse("}+");
    }
    if (comes("[")) {
      open_class();
    } else {
      copy(1);
    }
  }

  void open_class() {
    in_class_ = true;
    copy(comes("[^") ? 2 : 1);
    if (comes("]")) {
      refuse("an empty class");
    }
  }

  std::string_view pattern_;
  std::string out_;
  std::size_t at_ = 0;
  bool in_class_ = false;
};

}  // namespace

std::string to_pcre2_dialect(std::string_view pattern) {
  return Translator(pattern).run();
}

}  // namespace dure::data
