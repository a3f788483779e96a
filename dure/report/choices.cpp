#include "dure/report/choices.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "dure/report/smooth.h"

namespace dure::report {
namespace {

constexpr double kUsualHalfLives[] = {10, 100};
constexpr double kLeastHalfLives = 4;  // the least length of a curve

struct Button {
  std::string group;
  std::string style;  // its class in the style sheet
  std::string text;
  bool chosen = false;
};

std::string to_html(const Button& button, const std::string& name) {
  const std::string id = name + "-" + button.style;
  return fmt::format(
      "<input type=\"radio\" name=\"{0}-{1}\" id=\"{2}\" class=\"{3}\"{4}/>"
      "<label for=\"{2}\">{5}</label>\n",
      name,
      button.group,
      id,
      button.style,
      button.chosen ? " checked=\"checked\"" : "",
      escape(button.text));
}

std::vector<double> finite(const std::vector<Point>& points) {
  std::vector<double> values;
  for (const Point& point : points) {
    if (std::isfinite(point.y)) {
      values.push_back(point.y);
    }
  }
  return values;
}

}  // namespace

Offer offer_of(const Choices& choices, double steps) {
  Offer offer = {.scale = choices.scale};
  for (const double half_life : kUsualHalfLives) {
    if (steps >= kLeastHalfLives * half_life) {
      offer.half_lives.push_back(half_life);
    }
  }
  const double asked = choices.smooth.value_or(0);
  if (asked > 0) {
    auto place = std::lower_bound(
        offer.half_lives.begin(), offer.half_lives.end(), asked);
    if (place == offer.half_lives.end() || *place != asked) {
      place = offer.half_lives.insert(place, asked);
    }
    offer.chosen =
        static_cast<std::size_t>(place - offer.half_lives.begin()) + 1;
  }
  return offer;
}

std::string to_html(const Offer& offer, const std::string& name) {
  std::string html = "<span class=\"choice\">Scale</span>\n";
  html += to_html(
      Button{"scale", "as-linear", "linear", offer.scale == Shown::kLinear},
      name);
  html += to_html(
      Button{"scale", "as-log", "logarithmic", offer.scale == Shown::kLog},
      name);
  if (offer.half_lives.empty()) {
    return html;
  }
  html += "<span class=\"choice\">Smoothed by half-lives of</span>\n";
  html += to_html(Button{"smooth", "as-raw", "none", offer.chosen == 0}, name);
  for (std::size_t i = 1; i <= offer.half_lives.size(); ++i) {
    html += to_html(Button{"smooth",
                           fmt::format("as-k{}", i),
                           fmt::format("{} steps", offer.half_lives[i - 1]),
                           offer.chosen == i},
                    name);
  }
  return html;
}

std::vector<std::vector<Point>> smoothed(const Offer& offer,
                                         const std::vector<Point>& points) {
  const Range limits = usual_range(finite(points));
  std::vector<std::vector<Point>> curves;
  for (const double half_life : offer.half_lives) {
    curves.push_back(smooth(points, half_life, limits));
  }
  return curves;
}

}  // namespace dure::report
