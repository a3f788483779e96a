// What a reader may choose of the curves of a section: the scale of the axis,
// and how they are smoothed. Radio buttons and the style sheet do it, without a
// script; what `Choices` says is chosen when the page is opened.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dure/report/line_chart.h"
#include "dure/report/range.h"

namespace dure::report {

enum class Shown : std::uint8_t { kLinear, kLog };

// As the command has it.
struct Choices {
  Shown scale = Shown::kLinear;
  // Steps of the half-life; 0: the curves as they are; nothing: not said.
  std::optional<double> smooth = {};
};

// What there is to choose from.
struct Offer {
  Shown scale = Shown::kLinear;
  std::vector<double> half_lives = {};  // ascending, kMostHalfLives at most
  std::size_t chosen = 0;               // 1: the first of them; 0: none
};
inline constexpr std::size_t kMostHalfLives = 3;

// Half-lives of 10 and of 100 steps, where a curve of so many `steps` is four
// times as long or longer, and what was asked for in any case.
Offer offer_of(const Choices& choices, double steps);

// The buttons, with `name` in their identifiers. They stand before the <div
// class="charts"> that they are for, both in one <section>.
std::string to_html(const Offer& offer, const std::string& name);

// By each of the half-lives. `x` of the points is the step.
std::vector<std::vector<Point>> smoothed(const Offer& offer,
                                         const std::vector<Point>& points);

}  // namespace dure::report
