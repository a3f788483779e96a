// Tables of a page, and the colours of its series.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dure/base/markup.h"

namespace dure::report {

// The kind of a column's cells.
enum class Column : std::uint8_t { kText, kNumber };

struct Table {
  std::vector<std::string> head = {};
  std::vector<Column> columns = {};                 // the rest are numbers
  std::vector<std::vector<std::string>> rows = {};  // not escaped yet
};
// A table that scrolls by itself if it is wider than the page.
std::string to_html(const Table& table);

// A table folded away behind `summary`.
std::string folded(const std::string& summary, const Table& table);

// The style sheet's class (page_style.h) for the colour of series i.
std::string series_class(std::size_t i);
inline constexpr std::size_t kSeries = 8;

}  // namespace dure::report
