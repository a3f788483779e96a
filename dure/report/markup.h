// Text of HTML and SVG, well-formed as XML is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dure::report {

// For text and for attributes in double quotes: & < > " as entities, control
// characters and broken UTF-8 as U+FFFD.
std::string escape(std::string_view text);

// Cells of a column are of one kind.
enum class Column : std::uint8_t { kText, kNumber };

struct Table {
  std::vector<std::string> head = {};
  std::vector<Column> columns = {};                 // the rest are numbers
  std::vector<std::vector<std::string>> rows = {};  // not escaped yet
};
// Scrolls inside of itself where it is wider than the page.
std::string to_html(const Table& table);

// The same, folded away behind `summary`.
std::string folded(const std::string& summary, const Table& table);

// A colour from the style sheet (page.cpp): of the i-th of several series.
std::string series_class(std::size_t i);
inline constexpr std::size_t kSeries = 8;

}  // namespace dure::report
