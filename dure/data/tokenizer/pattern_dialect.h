// From the regular expressions of tokenizer files to PCRE2's.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "dure/data/tokenizer/unicode_tables.h"

namespace dure::data {

// Hugging Face's Oniguruma knows Unicode 16, PCRE2 has its own version, 14 with
// Debian 12. A pattern is said twice: with PCRE2's properties, for texts of
// characters on which the two agree, and with all that they lack written out.
enum class CharacterClasses { kOfPcre2, kOfUnicode16 };

// Writes \s and \S out as Unicode's White_Space, properties by the names that
// PCRE2 has for them, (...) as (?:...); passes what Oniguruma (Ruby syntax, as
// Hugging Face runs it) and PCRE2 read alike, and throws Error, naming the
// construct, for what they don't.
std::string to_pcre2_dialect(std::string_view pattern,
                             CharacterClasses classes);

// What stands for these in a class: \x{41}-\x{5a}
std::string class_members(std::span<const CodePoints> ranges);

}  // namespace dure::data
