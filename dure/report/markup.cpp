#include "dure/report/markup.h"

#include "dure/base/check.h"

namespace dure::report {
namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";

bool continues(unsigned char byte) {
  return (byte & 0xC0U) == 0x80;
}

// The bytes of the character that starts at `text`; 0 if none does [Unicode,
// table 3-7], or a noncharacter, which XML refuses.
std::size_t length_of(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = at(0);
  const unsigned second = at(1);
  if (first < 0x80) {
    return 1;
  }
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (!continues(static_cast<unsigned char>(at(i)))) {
      return 0;
    }
  }
  const bool wrong =
      (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
      (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F) ||
      (first == 0xEF && second == 0xBF && at(2) > 0xBD);
  return wrong ? 0 : length;
}

std::string escaped(std::string_view character) {
  switch (character[0]) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\n':
    case '\t':
      return std::string(character);
    default:
      break;
  }
  const auto byte = static_cast<unsigned char>(character[0]);
  return byte < 0x20 || byte == 0x7F ? kReplacement : std::string(character);
}

std::string cell(const Table& table,
                 std::size_t column,
                 const std::string& text) {
  const bool number = column >= table.columns.size() ||
                      table.columns[column] == Column::kNumber;
  return concat(number ? "<td class=\"n\">" : "<td>", escape(text), "</td>");
}

}  // namespace

std::string escape(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t length = length_of(text);
    result += length == 0 ? kReplacement : escaped(text.substr(0, length));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return result;
}

std::string to_html(const Table& table) {
  std::string html = "<div class=\"scroll\">\n<table>\n<thead><tr>";
  for (const std::string& name : table.head) {
    html += concat("<th scope=\"col\">", escape(name), "</th>");
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c) {
      html += cell(table, c, row[c]);
    }
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table>\n</div>\n";
}

std::string folded(const std::string& summary, const Table& table) {
  return concat("<details><summary>",
                escape(summary),
                "</summary>\n",
                to_html(table),
                "</details>\n");
}

std::string series_class(std::size_t i) {
  return concat("s", i % kSeries);
}

}  // namespace dure::report
