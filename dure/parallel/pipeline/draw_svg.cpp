#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <set>

#include "dure/base/markup.h"
#include "dure/parallel/pipeline/draw.h"

namespace dure::parallel {
namespace {

using svg::box;
using svg::words;

// Sizes in pixels.
constexpr double kLeft = 70;
constexpr double kRight = 20;
constexpr double kRow = 30;
constexpr double kBar = 26;
constexpr double kHead = 64;  // title and legend
constexpr double kAxis = 44;
constexpr double kDigit = 8;
constexpr double kLeastPixels = 560;  // the legend's
constexpr double kMostPixels = 16'000;

struct Colour {
  int red, green, blue;
};

struct Style {
  Pass pass;
  Colour colour;
  const char* meaning;
};
constexpr Style kStyles[] = {
    {Pass::kForward, {56, 116, 196}, "forward"},
    {Pass::kBackward, {24, 128, 88}, "backward"},
    {Pass::kInputGradient, {24, 128, 88}, "backward, inputs"},
    {Pass::kWeightGradient, {214, 122, 20}, "backward, weights"},
    {Pass::kUpdate, {140, 80, 180}, "update"},
};

const Style& style_of(Pass pass) {
  return *std::find_if(std::begin(kStyles),
                       std::end(kStyles),
                       [&](const Style& style) { return style.pass == pass; });
}

// Later chunks are lighter, up to three fifths of the way to white.
Colour shade(Colour colour, int chunk, int chunks) {
  const double white = chunks > 1 ? 0.6 * chunk / (chunks - 1) : 0;
  const auto mix = [&](int part) {
    return static_cast<int>(std::lround(part + (255 - part) * white));
  };
  return {mix(colour.red), mix(colour.green), mix(colour.blue)};
}

// The ink that is read best on the colour, by its luminance (ITU-R BT.601).
const char* ink_on(Colour c) {
  return 299 * c.red + 587 * c.green + 114 * c.blue > 140'000 ? "#111111"
                                                              : "#ffffff";
}

std::string fill(Colour c) {
  return fmt::format(" fill=\"#{:02x}{:02x}{:02x}\"", c.red, c.green, c.blue);
}

std::string number(double value) {
  return fmt::format("{:.6g}", value);
}

// Colours are attributes, which any program knows; this sheet overrides them in
// the dark.
constexpr const char* kStyleSheet =
    "<style>@media (prefers-color-scheme: dark) { .schedule { fill: #e6e9ec }\n"
    ".schedule .paper { fill: #14181c } .schedule .lane { fill: #1c2228 }\n"
    ".schedule .tick { fill: #9aa4ae } .schedule .cell { stroke: #14181c } }"
    "</style>\n";

class Drawing {
 public:
  Drawing(const ScheduleOptions& options,
          const Replay& replay,
          const DrawOptions& draw)
      : options_(options), replay_(replay), draw_(draw) {
    until_ = draw.until > 0 ? draw.until : replay.makespan;
    pixels_ = draw.pixels > 0 ? draw.pixels : pixels_for_numbers();
    scale_ = until_ > 0 ? pixels_ / until_ : 0;
  }

  std::string svg() const {
    const double title = 8 * static_cast<double>(draw_.title.size());
    const double width =
        kLeft + std::max({pixels_, title, kLeastPixels}) + kRight;
    const double height = kHead + rows() * kRow + kAxis;
    std::string text = kStyleSheet;
    text += box(0, 0, width, height, " fill=\"#ffffff\" class=\"paper\"");
    text += words(kLeft, 22, "start", draw_.title, " font-weight=\"bold\"");
    text += legend() + axis();
    for (int rank = 0; rank < rows(); ++rank) {
      text += row(rank);
    }
    return svg::image(
        width, height, " class=\"schedule\" fill=\"#222222\"", text);
  }

 private:
  int rows() const { return static_cast<int>(replay_.spans.size()); }

  // The shortest cell has room for the largest number.
  double pixels_for_numbers() const {
    double shortest = replay_.makespan;
    for (const auto& spans : replay_.spans) {
      for (const Span& span : spans) {
        if (span.end > span.start) {
          shortest = std::min(shortest, span.end - span.start);
        }
      }
    }
    const double cell =
        kDigit *
        (1 + static_cast<double>(
                 fmt::format("{}", options_.micro_batches - 1).size()));
    return shortest > 0 ? std::min(cell * until_ / shortest, kMostPixels)
                        : kLeastPixels;
  }

  std::string legend() const {
    std::set<Pass> used;
    for (const auto& spans : replay_.spans) {
      for (const Span& span : spans) {
        used.insert(span.action.pass);
      }
    }
    std::string text;
    double x = kLeft;
    for (const Pass pass : used) {
      const Style& style = style_of(pass);
      for (int chunk = 0; chunk < options_.chunks; ++chunk, x += 14) {
        const Colour colour = shade(style.colour, chunk, options_.chunks);
        text += box(x, 36, 14, 14, fill(colour));
      }
      text += words(x + 5, 47, "start", style.meaning);
      x += 5 +
           7 * static_cast<double>(fmt::format("{}", style.meaning).size()) +
           14;
    }
    if (options_.chunks > 1) {
      text += words(
          x, 47, "start", fmt::format("(chunks 0 to {})", options_.chunks - 1));
    }
    return text;
  }

  std::string row(int rank) const {
    const double y = kHead + rank * kRow;
    std::string text =
        words(kLeft - 8, y + kBar / 2 + 4, "end", fmt::format("rank {}", rank));
    text += box(kLeft, y, pixels_, kBar, " fill=\"#eef0f2\" class=\"lane\"");
    for (const Span& span : replay_.spans[rank]) {
      text += cell(span, y);
    }
    return text;
  }

  std::string cell(const Span& span, double y) const {
    const Style& style = style_of(span.action.pass);
    const Colour colour =
        shade(style.colour, span.action.chunk, options_.chunks);
    const double x = kLeft + span.start * scale_;
    const double width = std::max((span.end - span.start) * scale_, 1.0);
    std::string text = box(x,
                           y,
                           width,
                           kBar,
                           fmt::format("{} class=\"cell\" stroke=\"#ffffff\" "
                                       "stroke-width=\"{}\"",
                                       fill(colour),
                                       width > 4 ? 1 : 0),
                           fmt::format("{}: {} to {} {}",
                                       text_of(span.action, options_.chunks),
                                       number(span.start),
                                       number(span.end),
                                       draw_.unit));
    const std::string name = fmt::format("{}", span.action.micro_batch);
    if (width >= kDigit * static_cast<double>(name.size()) + 2) {
      text += words(
          x + width / 2,
          y + kBar / 2 + 4,
          "middle",
          name,
          fmt::format(" pointer-events=\"none\" fill=\"{}\"", ink_on(colour)));
    }
    return text;
  }

  // The least of 1, 2, 5, 10, ... that leaves room between numbers.
  double tick() const {
    const double least = 50 / scale_;
    const double power = std::pow(10, std::floor(std::log10(least)));
    for (const double step : {1.0, 2.0, 5.0}) {
      if (step * power >= least) {
        return step * power;
      }
    }
    return 10 * power;
  }

  std::string axis() const {
    if (!(scale_ > 0)) {
      return "";
    }
    const double y = kHead + rows() * kRow + 2;
    const double step = tick();
    std::string text;
    for (int i = 0; i * step <= until_ * (1 + 1e-9); ++i) {
      const double x = kLeft + i * step * scale_;
      text += box(x - 0.5, y - 4, 1, 6, " fill=\"#777777\" class=\"tick\"");
      text += words(x, y + 15, "middle", number(i * step));
    }
    return text +
           words(kLeft, y + 34, "start", fmt::format("time in {}", draw_.unit));
  }

  const ScheduleOptions& options_;
  const Replay& replay_;
  const DrawOptions& draw_;
  double until_ = 0;
  double pixels_ = 0;
  double scale_ = 0;  // pixels of a unit of time
};

}  // namespace

std::string draw_svg(const ScheduleOptions& options,
                     const Replay& replay,
                     const DrawOptions& draw) {
  return Drawing(options, replay, draw).svg();
}

}  // namespace dure::parallel
