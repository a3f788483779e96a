// Tables of a page, and the colours of its series.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dure/base/markup.h"

namespace dure::report {

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
