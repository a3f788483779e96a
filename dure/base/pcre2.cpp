#include "dure/base/pcre2.h"

#include <array>

#include "dure/base/check.h"

namespace dure {

std::string pcre2_error_text(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

Pcre2<pcre2_code> pcre2_compiled(std::string_view pattern,
                                 std::uint32_t options) {
  int error = 0;
  PCRE2_SIZE where = 0;
  Pcre2<pcre2_code> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()),
                    pattern.size(),
                    options | PCRE2_NEVER_BACKSLASH_C,
                    &error,
                    &where,
                    nullptr));
  DURE_CHECK(code != nullptr,
             "the pattern \"{}\" is wrong at byte {}: {}",
             pattern,
             where,
             pcre2_error_text(error));
  return code;
}

}  // namespace dure
