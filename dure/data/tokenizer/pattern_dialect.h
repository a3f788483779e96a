// Translates the regular expressions of tokenizer files for PCRE2.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "dure/data/tokenizer/unicode_tables.h"

namespace dure::data {

// Hugging Face's Oniguruma knows Unicode 16; PCRE2 has its own version, 14 on
// Debian 12. A pattern is translated twice: with PCRE2's properties, for texts
// of characters on which the two agree, and with all characters that they lack
// written out.
enum class CharacterClasses { kOfPcre2, kOfUnicode16 };

// Writes \s and \S as Unicode's White_Space, properties by PCRE2's names, and
// (...) as (?:...). Constructs that Oniguruma (Ruby syntax, as Hugging Face
// runs it) and PCRE2 read alike stay as they are. Throws Error, naming the
// construct, for those that they read differently.
std::string to_pcre2_dialect(std::string_view pattern,
                             CharacterClasses classes);

// The members of a class for these ranges: \x{41}-\x{5a}.
std::string class_members(std::span<const CodePoints> ranges);

}  // namespace dure::data
