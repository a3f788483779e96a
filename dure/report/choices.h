// A reader's choices for the curves of a section: the scale of the axis and the
// smoothing. Radio buttons and the style sheet do it, without a script; the
// page opens with the choices of `Choices`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dure/report/line_chart.h"
#include "dure/report/range.h"

namespace dure::report {

enum class Shown : std::uint8_t { kLinear, kLog };

// The command's choices.
struct Choices {
  Shown scale = Shown::kLinear;
  // The half-life in steps; 0: not smoothed; nothing: not given.
  std::optional<double> smooth = {};
};

// The choices that a page offers.
struct Offer {
  Shown scale = Shown::kLinear;
  std::vector<double> half_lives = {};  // ascending, kMostHalfLives at most
  std::size_t chosen = 0;               // 1: the first of them; 0: none
};
inline constexpr std::size_t kMostHalfLives = 3;

// Half-lives of 10 and of 100 steps, if a curve of so many `steps` is at least
// four times as long, and always the one asked for.
Offer offer_of(const Choices& choices, double steps);

// The buttons, with `name` in their identifiers. They stand before the <div
// class="charts"> that they control, both in one <section>.
std::string to_html(const Offer& offer, const std::string& name);

// The points smoothed with each of the half-lives. Their `x` is the step.
std::vector<std::vector<Point>> smoothed(const Offer& offer,
                                         const std::vector<Point>& points);

}  // namespace dure::report
