#include "dure/report/edge_marks.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <vector>

#include "dure/report/frame.h"
#include "dure/report/ticks.h"

namespace dure::report {
namespace {

// The width of a mark in the narrowest plot, on a phone.
constexpr double kApart = 0.24 * kPlotSide;

enum class Where { kAbove, kBelow, kNowhere };

struct Outside {
  double x = 0;
  double y = 0;
  const Line* line = nullptr;
};

bool is_outside(Where where, const Axes& axes, const Point& point) {
  switch (where) {
    case Where::kAbove:
      return has_place(axes.scale, point.y) && point.y > axes.y.high;
    case Where::kBelow:
      return has_place(axes.scale, point.y) && point.y < axes.y.low;
    case Where::kNowhere:
      return !std::isfinite(point.y);
  }
  return false;
}

std::vector<Outside> outside(const LineChart& chart,
                             const Axes& axes,
                             Where where) {
  std::vector<Outside> found;
  for (const Line& line : chart.lines) {
    for (const Point& point : line.points) {
      if (std::isfinite(point.x) && is_outside(where, axes, point)) {
        found.push_back({.x = point.x, .y = point.y, .line = &line});
      }
    }
  }
  std::stable_sort(
      found.begin(), found.end(), [](const Outside& a, const Outside& b) {
        return a.x < b.x;
      });
  return found;
}

struct Group {
  Outside furthest = {};
  double begin = 0;
  std::size_t count = 0;
};

std::vector<Group> groups_of(const std::vector<Outside>& all,
                             const Axes& axes,
                             Where where) {
  std::vector<Group> groups;
  for (const Outside& one : all) {
    const double at = axes.at_x(one.x);
    if (groups.empty() || at - groups.back().begin > kApart) {
      groups.push_back({.furthest = one, .begin = at, .count = 1});
      continue;
    }
    Group& group = groups.back();
    ++group.count;
    const double before = group.furthest.y;
    if (where == Where::kAbove ? one.y > before : one.y < before) {
      group.furthest = one;
    }
  }
  return groups;
}

std::string text_of(const Group& group, Where where) {
  const std::string more =
      group.count > 1 ? fmt::format(" +{}", group.count - 1) : "";
  switch (where) {
    case Where::kAbove:
      return "\u25B2 " + short_text(group.furthest.y) + more;
    case Where::kBelow:
      return "\u25BC " + short_text(group.furthest.y) + more;
    case Where::kNowhere:
      return "\u00D7" + more;
  }
  return "";
}

std::string more_of(const LineChart& chart, const Group& group, Where where) {
  std::string text = fmt::format(
      "{} {}, {}: ", chart.x_name, group.furthest.x, group.furthest.line->name);
  text += where == Where::kNowhere ? "not finite"
                                   : fmt::format("{:.6g}", group.furthest.y);
  if (group.count > 1) {
    text += fmt::format("; and {} more nearby", group.count - 1);
  }
  return text;
}

}  // namespace

std::string edge_marks(const LineChart& chart, const Axes& axes) {
  std::string html;
  for (const Where where : {Where::kAbove, Where::kBelow, Where::kNowhere}) {
    const auto all = outside(chart, axes, where);
    for (const Group& group : groups_of(all, axes, where)) {
      html += edge_mark(where == Where::kAbove ? Edge::kTop : Edge::kBottom,
                        axes.at_x(group.furthest.x),
                        text_of(group, where),
                        more_of(chart, group, where));
    }
  }
  return html;
}

}  // namespace dure::report
