#include "dure/base/markup.h"

#include <cmath>
#include <fmt/format.h>

#include "dure/base/utf8.h"

namespace dure {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// U+FFFE and U+FFFF, which XML refuses.
bool is_no_character(std::string_view text) {
  return text.starts_with("\xEF\xBF\xBE") || text.starts_with("\xEF\xBF\xBF");
}

std::string pixel(double value) {
  return fmt::format("{:.8g}", std::round(value * 100) / 100);
}

}  // namespace

std::string escape(std::string_view text) {
  std::string result;
  const RepairedText repaired(text);
  std::string_view rest = repaired.text();
  while (!rest.empty()) {
    const auto byte = static_cast<unsigned char>(rest[0]);
    std::size_t length = 1;
    if (byte == '&') {
      result += "&amp;";
    } else if (byte == '<') {
      result += "&lt;";
    } else if (byte == '>') {
      result += "&gt;";
    } else if (byte == '"') {
      result += "&quot;";
    } else if (is_no_character(rest)) {
      result += kReplacement;
      length = 3;
    } else if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F) {
      result += kReplacement;
    } else {
      result += rest[0];
    }
    rest.remove_prefix(length);
  }
  return result;
}

namespace svg {

std::string image(double width,
                  double height,
                  std::string_view more,
                  std::string_view content) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" "
      "height=\"{1}\" viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" "
      "font-size=\"13\"{2}>\n{3}</svg>\n",
      pixel(width),
      pixel(height),
      more,
      content);
}

std::string box(double x,
                double y,
                double width,
                double height,
                std::string_view more,
                std::string_view title) {
  return fmt::format(
      "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}{}\n",
      pixel(x),
      pixel(y),
      pixel(width),
      pixel(height),
      more,
      title.empty() ? "/>"
                    : fmt::format("><title>{}</title></rect>", escape(title)));
}

std::string words(double x,
                  double y,
                  std::string_view anchor,
                  std::string_view text,
                  std::string_view more) {
  return fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"{}\"{}>{}</text>\n",
                     pixel(x),
                     pixel(y),
                     anchor,
                     more,
                     escape(text));
}

}  // namespace svg
}  // namespace dure
