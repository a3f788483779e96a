#include "dure/data/tokenizer/normal_form.h"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utf8proc.h>
#include <vector>

#include "dure/base/check.h"
#include "dure/data/tokenizer/code_points.h"

namespace dure::data {
namespace {

constexpr char32_t kEnd = 0x110000;

// The role of a character in a text that is normalized.
enum class Part : std::uint8_t {
  kQuiet,    // nothing, unless what follows it joins it
  kActive,   // it changes, moves, or joins what stands before it
  kBarrier,  // nothing, whatever stands beside it
};

bool is_composed(NormalForm form) {
  return form == NormalForm::kC || form == NormalForm::kKC;
}

utf8proc_option_t options_of(NormalForm form) {
  const bool compatible = form == NormalForm::kKC || form == NormalForm::kKD;
  const int options =
      UTF8PROC_STABLE |
      (is_composed(form) ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
      (compatible ? UTF8PROC_COMPAT : 0);
  return static_cast<utf8proc_option_t>(options);
}

// Appends utf8proc's normal form of the text.
void append_form(std::string_view text, NormalForm form, std::string& to) {
  struct Free {
    void operator()(utf8proc_uint8_t* p) const { std::free(p); }
  };
  utf8proc_uint8_t* made = nullptr;
  const utf8proc_ssize_t bytes =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()),
                   &made,
                   options_of(form));
  const std::unique_ptr<utf8proc_uint8_t, Free> owner(made);
  DURE_CHECK(bytes >= 0,
             "a text of {} bytes has no normal form: {}",
             text.size(),
             utf8proc_errmsg(bytes));
  to.append(reinterpret_cast<const char*>(made),
            static_cast<std::size_t>(bytes));
}

// Parts by code point. A character that joins others is the second of a
// canonical decomposition into two, or a Hangul vowel or final consonant.
std::vector<Part> make_parts(NormalForm form) {
  std::vector<Part> parts(kEnd, Part::kQuiet);
  std::array<utf8proc_int32_t, 64> decomposed{};
  int boundary = 0;
  for (char32_t c = 0; c < kEnd; ++c) {
    const auto code = static_cast<utf8proc_int32_t>(c);
    const utf8proc_property_t* property = utf8proc_get_property(code);
    if (property->combining_class != 0) {
      parts[c] = Part::kActive;
    }
    if (property->decomp_seqindex == UINT16_MAX) {
      continue;
    }
    std::string text;
    std::string made;
    append_utf8(c, text);
    append_form(text, form, made);
    parts[c] = made == text ? parts[c] : Part::kActive;
    const auto n = utf8proc_decompose_char(
        code, decomposed.data(), 64, UTF8PROC_DECOMPOSE, &boundary);
    if (is_composed(form) && property->decomp_type == 0 && n > 1) {
      parts[static_cast<char32_t>(
          decomposed[static_cast<std::size_t>(n) - 1])] = Part::kActive;
    }
  }
  const CodePoints jamo = is_composed(form) ? CodePoints{0x1161, 0x11c2}
                                            : CodePoints{0xac00, 0xd7a3};
  for (char32_t c = jamo.first; c <= jamo.last; ++c) {
    parts[c] = Part::kActive;
  }
  for (const CodePoints& range : normal_form_barriers()) {
    for (char32_t c = range.first; c <= range.last; ++c) {
      parts[c] = Part::kBarrier;
    }
  }
  return parts;
}

template <NormalForm kForm>
const std::vector<Part>& parts_of() {
  static const std::vector<Part> parts = make_parts(kForm);
  return parts;
}

// Each table is made at its first use.
const std::vector<Part>& parts_of(NormalForm form) {
  switch (form) {
    case NormalForm::kC:
      return parts_of<NormalForm::kC>();
    case NormalForm::kD:
      return parts_of<NormalForm::kD>();
    case NormalForm::kKC:
      return parts_of<NormalForm::kKC>();
    case NormalForm::kKD:
      break;
  }
  return parts_of<NormalForm::kKD>();
}

}  // namespace

// Stretches that may change go to utf8proc: from the character before an active
// one up to the next that isn't active. The rest is copied.
std::string normal_form(std::string_view text, NormalForm form) {
  if (skip_ascii(text, 0) == text.size()) {
    return std::string(text);
  }
  const std::vector<Part>& parts = parts_of(form);
  std::string result;
  result.reserve(text.size());
  std::size_t done = 0;    // up to here it is in the result
  std::size_t before = 0;  // where a stretch would begin
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    at = skip_ascii(text, at);
    before = at > begin ? at - 1 : before;
    if (at == text.size()) {
      break;
    }
    Character c = character_at(text, at);
    if (parts[c.code] != Part::kActive) {
      before = parts[c.code] == Part::kQuiet ? at : at + c.bytes;
      at += c.bytes;
      continue;
    }
    result += text.substr(done, before - done);
    while (at < text.size() && parts[c.code] == Part::kActive) {
      at += c.bytes;
      c = at < text.size() ? character_at(text, at) : c;
    }
    append_form(text.substr(before, at - before), form, result);
    done = at;
    before = at;
  }
  result += text.substr(done);
  return result;
}

}  // namespace dure::data
