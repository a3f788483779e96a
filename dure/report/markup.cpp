#include "dure/report/markup.h"

#include <fmt/core.h>

namespace dure::report {
namespace {

std::string cell(const Table& table,
                 std::size_t column,
                 const std::string& text) {
  const bool number = column >= table.columns.size() ||
                      table.columns[column] == Column::kNumber;
  return fmt::format(
      "{}{}</td>", number ? "<td class=\"n\">" : "<td>", escape(text));
}

}  // namespace

std::string to_html(const Table& table) {
  std::string html = "<div class=\"scroll\">\n<table>\n<thead><tr>";
  for (const std::string& name : table.head) {
    html += fmt::format("<th scope=\"col\">{}</th>", escape(name));
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
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n",
                     escape(summary),
                     to_html(table));
}

std::string series_class(std::size_t i) {
  return fmt::format("s{}", i % kSeries);
}

}  // namespace dure::report
