#include "dure/base/nearest.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

namespace dure {
namespace {

// Distances matter only between short names; names are cut to this length.
constexpr std::size_t kLongest = 256;

}  // namespace

int edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, kLongest);
  b = b.substr(0, kLongest);
  // Rows i - 2, i - 1 and i of the table of distances between prefixes.
  std::vector<int> before(b.size() + 1);
  std::vector<int> above(b.size() + 1);
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(above);
    above.swap(row);
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int substituted = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({substituted, above[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row.back();
}

std::string nearest(std::string_view name, std::span<const std::string> known) {
  std::string best;
  int least = std::numeric_limits<int>::max();
  for (const std::string& candidate : known) {
    const int distance = edit_distance(name, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  const std::size_t allowed = std::max<std::size_t>(1, name.size() / 3);
  return static_cast<std::size_t>(least) <= allowed ? best : "";
}

std::string suggestion(std::string_view name,
                       std::span<const std::string> known) {
  const std::string meant = nearest(name, known);
  if (!meant.empty()) {
    return "; did you mean " + meant + "?";
  }
  std::string all = "; wanted ";
  for (std::size_t i = 0; i < known.size(); ++i) {
    const bool last = i + 1 == known.size();
    all += (i == 0 ? "" : last ? " or " : ", ") + known[i];
  }
  return all;
}

}  // namespace dure
