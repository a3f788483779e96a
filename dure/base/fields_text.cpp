// The texts made from Fields: a TOML file and the page of documentation.
#include <algorithm>
#include <string_view>

#include "dure/base/fields.h"

namespace dure {
namespace {

constexpr std::size_t kCommentColumn = 36;

// A comment ends with its line, whatever a file's name holds.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(),
      text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; },
      '?');
  return text;
}

// A cell of a Markdown table.
std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    escaped += c == '|' ? "\\|" : std::string(1, c);
  }
  return escaped;
}

std::string toml_line(const Field& field) {
  std::string line = field.name + " = " + field.text();
  line.resize(std::max(line.size(), kCommentColumn), ' ');
  return line + "  # " + field.meaning + " [" + field.wanted + "] (" +
         one_line(field.origin) + ")\n";
}

template <typename Line>
std::string lines_of(const Fields& fields,
                     const std::string& section,
                     Line line) {
  std::string text;
  for (const Field& field : fields.all()) {
    text += field.section == section ? line(field) : std::string();
  }
  return text;
}

}  // namespace

std::string to_toml(const Fields& fields) {
  std::string text;
  for (const Fields::Section& section : fields.sections()) {
    text += (text.empty() ? "[" : "\n[") + section.name + "]\n";
    text += lines_of(fields, section.name, toml_line);
  }
  return text;
}

std::string to_markdown(const Fields& fields) {
  std::string text;
  for (const Fields::Section& section : fields.sections()) {
    text += "\n## [" + section.name + "]\n\n" + section.meaning + "\n\n";
    text += "| key | default | may be | meaning |\n| --- | --- | --- | --- |\n";
    text += lines_of(fields, section.name, [](const Field& field) {
      return "| `" + field.name + "` | `" + cell(field.text()) + "` | " +
             cell(field.wanted) + " | " + cell(field.meaning) + " |\n";
    });
  }
  return text;
}

}  // namespace dure
