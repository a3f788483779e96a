// From the regular expressions of tokenizer files to PCRE2's.
#pragma once

#include <string>
#include <string_view>

namespace dure::data {

// Writes \s and \S out as Unicode's White_Space, passes what Oniguruma (Ruby
// syntax, as Hugging Face runs it) and PCRE2 read alike, and throws Error,
// naming the construct, for what they don't.
std::string to_pcre2_dialect(std::string_view pattern);

}  // namespace dure::data
