// A pattern's \p{...}, by Oniguruma's names, translated for PCRE2.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dure/data/tokenizer/pattern_dialect.h"

namespace dure::data {

class UnicodeProperty {
 public:
  // "L", "Letter", "han": a category or a script; nothing for another name.
  static std::optional<UnicodeProperty> named(std::string_view name);

  // Its members in a class: \p{L}, with the characters that PCRE2 lacks.
  std::string members(CharacterClasses classes) const;

  // All other characters in a class. Throws Error for a script, whose
  // complement is not known here.
  std::string others(CharacterClasses classes) const;

 private:
  std::string pcre2_;  // "L", "sc:Han"
  std::vector<Category> categories_;
  std::span<const CodePoints> since_unicode_14_;
};

}  // namespace dure::data
