#include "dure/report/page_style.h"

#include <cmath>
#include <map>
#include <regex>
#include <string>

#include <gtest/gtest.h>

namespace dure::report {
namespace {

using Colours = std::map<std::string, std::string>;

// The variables "--name: #rrggbb" of a text.
Colours colours_of(const std::string& text) {
  Colours colours;
  const std::regex colour("--([a-z0-9]+): #([0-9a-f]{6})");
  for (std::sregex_iterator at(text.begin(), text.end(), colour), end;
       at != end;
       ++at) {
    colours[(*at)[1]] = (*at)[2];
  }
  return colours;
}

// Relative luminance [WCAG 2.2].
double luminance(const std::string& hex) {
  constexpr double kShare[] = {0.2126, 0.7152, 0.0722};
  double sum = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const double c = std::stoi(hex.substr(2 * i, 2), nullptr, 16) / 255.0;
    sum += kShare[i] *
           (c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4));
  }
  return sum;
}

double contrast(const std::string& a, const std::string& b) {
  const double x = luminance(a);
  const double y = luminance(b);
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

struct Scheme {
  const char* name;
  Colours colours;
};

std::vector<Scheme> schemes() {
  const std::string sheet = kStyle;
  const std::size_t dark = sheet.find("@media (prefers-color-scheme: dark)");
  const std::size_t end = sheet.find("} }", dark);
  return {{"light", colours_of(sheet.substr(0, dark))},
          {"dark", colours_of(sheet.substr(dark, end - dark))}};
}

// WCAG 2.2 needs a contrast of 4.5 for text (1.4.3), and of 3 for drawings
// (1.4.11).
TEST(Style, HasEnoughContrastInTheLightAndInTheDark) {
  for (auto& [name, colours] : schemes()) {
    SCOPED_TRACE(name);
    ASSERT_EQ(colours.size(), 13U);
    for (const char* ground : {"back", "card"}) {
      for (const char* text : {"ink", "soft"}) {
        EXPECT_GE(contrast(colours.at(text), colours.at(ground)), 4.5) << text;
      }
      for (int i = 0; i < 8; ++i) {
        const std::string series = "c" + std::to_string(i);
        EXPECT_GE(contrast(colours.at(series), colours.at(ground)), 3)
            << series;
      }
    }
  }
}

// Headings, sentences and all else have a size each.
TEST(Style, HasOneSizeOfSmallText) {
  const std::string sheet = kStyle;
  std::map<std::string, int> sizes;
  const std::regex size("font(?:-size)?: ([^;\\s]+)");
  for (std::sregex_iterator at(sheet.begin(), sheet.end(), size), end;
       at != end;
       ++at) {
    ++sizes[(*at)[1]];
  }
  sizes.erase("var(--small)");
  EXPECT_EQ(sizes,
            (std::map<std::string, int>{
                {"24px", 1}, {"18px", 1}, {"15px", 1}, {"15px/1.5", 1}}));
}

}  // namespace
}  // namespace dure::report
