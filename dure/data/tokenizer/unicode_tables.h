// The Unicode data of Hugging Face's tokenizers where the libraries here
// differ, extracted from them by tools/golden/make_unicode_tables.py.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace dure::data {

// Unicode's general categories, by their short names.
// clang-format off
enum class Category : std::uint8_t {
  kLu, kLl, kLt, kLm, kLo, kMn, kMc, kMe, kNd, kNl, kNo, kPc, kPd, kPs, kPe,
  kPi, kPf, kPo, kSm, kSc, kSk, kSo, kZs, kZl, kZp, kCc, kCf, kCs, kCo, kCn,
};
// clang-format on

// A run goes from `first` up to the next run.
struct CategoryRun {
  char32_t first;
  Category category;
};

struct CodePoints {
  char32_t first;
  char32_t last;
};

struct LowerPair {
  char32_t from;
  char32_t to;
};

struct Script {
  std::string_view name;
  std::span<const CodePoints> since_unicode_14;
};

// All are in ascending order. Categories are those of Unicode 16.
std::span<const CategoryRun> category_runs();

// The characters whose category differs from Unicode 14's, and
// numbers_of_unicode_17().
std::span<const CodePoints> changed_since_unicode_14();

// Numbers that came with Unicode 17, which Digits knows and \p{N} doesn't.
std::span<const CodePoints> numbers_of_unicode_17();

// The marks that StripAccents removes, those of Unicode 9.
std::span<const CodePoints> combining_marks();

// The characters at which Punctuation cuts.
std::span<const CodePoints> punctuation();

// Characters that take part in normal forms and came after Unicode 9, so
// Hugging Face's normal forms, which are Unicode 9's, leave them alone.
std::span<const CodePoints> normal_form_barriers();

// The lower case of letters that came after Unicode 14.
std::span<const LowerPair> later_lower_case();

// Scripts by name, without those that patterns are unlikely to name.
std::span<const Script> scripts();

}  // namespace dure::data
