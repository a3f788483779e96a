#include "dure/report/thin.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace dure::report {
namespace {

// The indices to keep of points begin to end, ascending.
void keep(const std::vector<Point>& points,
          std::size_t begin,
          std::size_t end,
          std::vector<std::size_t>& kept) {
  const std::size_t none = end;
  std::array<std::size_t, 3> chosen = {none, none, none};
  auto& [low, high, gap] = chosen;
  for (std::size_t i = begin; i < end; ++i) {
    if (std::isnan(points[i].y)) {
      gap = std::min(gap, i);
      continue;
    }
    low = low == none || points[i].y < points[low].y ? i : low;
    high = high == none || points[i].y > points[high].y ? i : high;
  }
  std::sort(chosen.begin(), chosen.end());
  for (const std::size_t i : chosen) {
    if (i != none && (kept.empty() || kept.back() < i)) {
      kept.push_back(i);
    }
  }
}

}  // namespace

std::vector<Point> thin(const std::vector<Point>& points, std::size_t most) {
  if (points.size() <= most) {
    return points;
  }
  const std::size_t stretches = (most - 2) / 3;
  std::vector<std::size_t> kept = {0};
  for (std::size_t s = 0; s < stretches; ++s) {
    keep(points,
         s * points.size() / stretches,
         (s + 1) * points.size() / stretches,
         kept);
  }
  if (kept.back() != points.size() - 1) {
    kept.push_back(points.size() - 1);
  }
  std::vector<Point> result;
  for (const std::size_t i : kept) {
    result.push_back(points[i]);
  }
  return result;
}

}  // namespace dure::report
