// PCRE2's handles and errors. For .cpp files only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace dure {

struct FreePcre2 {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};

template <typename T>
using Pcre2 = std::unique_ptr<T, FreePcre2>;

std::string pcre2_error_text(int code);

// Throws Error, which says what is wrong with the pattern and where.
Pcre2<pcre2_code> pcre2_compiled(std::string_view pattern,
                                 std::uint32_t options);

}  // namespace dure
