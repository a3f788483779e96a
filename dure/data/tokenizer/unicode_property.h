// \p{...} of a pattern: by Oniguruma's names, in PCRE2's words.
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
  // "L", "Letter", "han": categories and scripts. None for another name.
  static std::optional<UnicodeProperty> named(std::string_view name);

  // What stands for it in a class: \p{L}, with the members that PCRE2 lacks.
  std::string members(CharacterClasses classes) const;

  // The same for all other characters. Throws Error for a script, whose
  // complement nothing here knows.
  std::string others(CharacterClasses classes) const;

 private:
  std::string pcre2_;  // "L", "sc:Han"
  std::vector<Category> categories_;
  std::span<const CodePoints> since_unicode_14_;
};

}  // namespace dure::data
