// Unicode's normal forms, by utf8proc.
//
// Hugging Face's normal forms are Unicode 9's: later characters are left as
// they are, and stand between others as any letter does.
//
// Source: Unicode Standard Annex 15.
#pragma once

#include <string>
#include <string_view>

namespace dure::data {

enum class NormalForm { kC, kD, kKC, kKD };

// `text` is UTF-8.
std::string normal_form(std::string_view text, NormalForm form);

}  // namespace dure::data
