#include "dure/data/tokenizer/unicode_property.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/core.h>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/data/tokenizer/code_points.h"

namespace dure::data {
namespace {

struct CategoryName {
  std::string_view name;  // PCRE2's
  std::string_view full;
  Category first;
  Category last;
};

using enum Category;

// clang-format off
constexpr std::array<CategoryName, 37> kNames = {{
    {"L", "letter", kLu, kLo},
    {"Lu", "uppercaseletter", kLu, kLu},
    {"Ll", "lowercaseletter", kLl, kLl},
    {"Lt", "titlecaseletter", kLt, kLt},
    {"Lm", "modifierletter", kLm, kLm},
    {"Lo", "otherletter", kLo, kLo},
    {"M", "mark", kMn, kMe},
    {"Mn", "nonspacingmark", kMn, kMn},
    {"Mc", "spacingmark", kMc, kMc},
    {"Me", "enclosingmark", kMe, kMe},
    {"N", "number", kNd, kNo},
    {"Nd", "decimalnumber", kNd, kNd},
    {"Nl", "letternumber", kNl, kNl},
    {"No", "othernumber", kNo, kNo},
    {"P", "punctuation", kPc, kPo},
    {"Pc", "connectorpunctuation", kPc, kPc},
    {"Pd", "dashpunctuation", kPd, kPd},
    {"Ps", "openpunctuation", kPs, kPs},
    {"Pe", "closepunctuation", kPe, kPe},
    {"Pi", "initialpunctuation", kPi, kPi},
    {"Pf", "finalpunctuation", kPf, kPf},
    {"Po", "otherpunctuation", kPo, kPo},
    {"S", "symbol", kSm, kSo},
    {"Sm", "mathsymbol", kSm, kSm},
    {"Sc", "currencysymbol", kSc, kSc},
    {"Sk", "modifiersymbol", kSk, kSk},
    {"So", "othersymbol", kSo, kSo},
    {"Z", "separator", kZs, kZp},
    {"Zs", "spaceseparator", kZs, kZs},
    {"Zl", "lineseparator", kZl, kZl},
    {"Zp", "paragraphseparator", kZp, kZp},
    {"C", "other", kCc, kCn},
    {"Cc", "control", kCc, kCc},
    {"Cf", "format", kCf, kCf},
    {"Cs", "surrogate", kCs, kCs},
    {"Co", "privateuse", kCo, kCo},
    {"Cn", "unassigned", kCn, kCn},
}};
// clang-format on

// Oniguruma treats "Uppercase_Letter" and "uppercase letter" as one name.
std::string plain(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c != ' ' && c != '_' && c != '-') {
      text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return text;
}

// The common parts of both, in order.
std::vector<CodePoints> common(std::span<const CodePoints> a,
                               std::span<const CodePoints> b) {
  std::vector<CodePoints> both;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const char32_t first = std::max(a[i].first, b[j].first);
    const char32_t last = std::min(a[i].last, b[j].last);
    if (first <= last) {
      both.push_back({first, last});
    }
    (a[i].last < b[j].last ? i : j) += 1;
  }
  return both;
}

// Whether Unicode 15 moved a mark of this category to another.
bool has_lost_some(std::span<const Category> categories) {
  return categories.size() == 1 && categories[0] == kMn;
}

// Whether it includes "unassigned", which loses characters to the others.
bool may_lose_some(std::span<const Category> categories) {
  return std::find(categories.begin(), categories.end(), kCn) !=
         categories.end();
}

}  // namespace

std::optional<UnicodeProperty> UnicodeProperty::named(std::string_view name) {
  const std::string wanted = plain(name);
  UnicodeProperty property;
  for (const CategoryName& row : kNames) {
    if (plain(row.name) == wanted || row.full == wanted) {
      property.pcre2_ = row.name;
      for (int c = static_cast<int>(row.first); c <= static_cast<int>(row.last);
           ++c) {
        property.categories_.push_back(static_cast<Category>(c));
      }
      return property;
    }
  }
  for (const Script& script : scripts()) {
    if (plain(script.name) == wanted) {
      // Without "sc:" it would mean the scripts' extensions.
      property.pcre2_ = fmt::format("sc:{}", script.name);
      property.since_unicode_14_ = script.since_unicode_14;
      return property;
    }
  }
  return std::nullopt;
}

std::string UnicodeProperty::members(CharacterClasses classes) const {
  const std::string known = fmt::format("\\p{{{}}}", pcre2_);
  if (classes == CharacterClasses::kOfPcre2) {
    return known;
  }
  if (categories_.empty()) {
    return known + class_members(since_unicode_14_);
  }
  const std::vector<CodePoints> all = ranges_of(categories_);
  if (has_lost_some(categories_) || may_lose_some(categories_)) {
    return class_members(all);
  }
  return known + class_members(common(all, changed_since_unicode_14()));
}

std::string UnicodeProperty::others(CharacterClasses classes) const {
  DURE_CHECK(!categories_.empty(),
             "a class that holds all but the script {} is not supported",
             pcre2_.substr(3));
  return classes == CharacterClasses::kOfPcre2
             ? fmt::format("\\P{{{}}}", pcre2_)
             : class_members(ranges_without(categories_));
}

}  // namespace dure::data
