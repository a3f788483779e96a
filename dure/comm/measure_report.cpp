#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "dure/base/check.h"
#include "dure/comm/measure.h"

namespace dure::comm {
namespace {

template <typename... Args>
std::string format(const char* pattern, Args... args) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, args...);
  return text;
}

std::string size_text(std::int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB"};
  int unit = 0;
  for (; unit < 3 && bytes >= 1024 && bytes % 1024 == 0; ++unit) {
    bytes /= 1024;
  }
  return concat(bytes, " ", kUnits[unit]);
}

std::string time_text(double seconds) {
  return seconds < 1e-3 ? format("%.2f us", 1e6 * seconds)
         : seconds < 1  ? format("%.2f ms", 1e3 * seconds)
                        : format("%.2f s", seconds);
}

std::string curve_name(const Measurement& row) {
  return concat(
      row.back_end, " ", name_of(row.kind), ", ", name_of(row.algorithm));
}

}  // namespace

std::string to_table(std::span<const Measurement> rows) {
  std::string text =
      "| back end | collective | algorithm | ranks | size | time (least to "
      "most) | algorithm GB/s | bus GB/s | of the limit |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Measurement& row : rows) {
    text += concat("| ",
                   row.back_end,
                   " | ",
                   name_of(row.kind),
                   " | ",
                   name_of(row.algorithm),
                   " | ",
                   row.ranks,
                   " | ",
                   size_text(row.bytes),
                   " | ",
                   time_text(row.seconds),
                   " (",
                   time_text(row.least_seconds),
                   " to ",
                   time_text(row.most_seconds),
                   ") | ",
                   format("%.3f | %.3f | ",
                          1e-9 * row.algorithm_bandwidth(),
                          1e-9 * row.bus_bandwidth()),
                   row.limit_seconds == 0
                       ? "- |\n"
                       : format("%.2f |\n", row.share_of_limit()));
  }
  return text;
}

std::string to_csv(std::span<const Measurement> rows) {
  std::string text =
      "back_end,collective,algorithm,ranks,bytes,seconds,least_seconds,"
      "most_seconds,algorithm_bytes_per_second,bus_bytes_per_second,"
      "limit_seconds\n";
  for (const Measurement& row : rows) {
    text += concat(row.back_end,
                   ",",
                   name_of(row.kind),
                   ",",
                   name_of(row.algorithm),
                   ",",
                   row.ranks,
                   ",",
                   row.bytes,
                   format(",%.9g,%.9g,%.9g,%.9g,%.9g,%.9g\n",
                          row.seconds,
                          row.least_seconds,
                          row.most_seconds,
                          row.algorithm_bandwidth(),
                          row.bus_bandwidth(),
                          row.limit_seconds));
  }
  return text;
}

void to_json(nlohmann::ordered_json& json, const Measurement& row) {
  json = {{"back_end", row.back_end},
          {"collective", name_of(row.kind)},
          {"algorithm", name_of(row.algorithm)},
          {"ranks", row.ranks},
          {"bytes", row.bytes},
          {"seconds", row.seconds},
          {"algorithm_bandwidth", row.algorithm_bandwidth()},
          {"bus_bandwidth", row.bus_bandwidth()},
          {"share_of_limit", row.share_of_limit()}};
}

namespace {

constexpr const char* kStyleSheet =
    "<style>:root { color-scheme: light dark }\n"
    "text { fill: #222222 } .paper { fill: #ffffff } "
    ".grid { stroke: #dddddd }\n"
    "@media (prefers-color-scheme: dark) { text { fill: #e6e9ec } "
    ".paper { fill: #14181c } .grid { stroke: #3a424a } }</style>\n";

// Both axes logarithmic, a grid line each power of ten or of 1024. What moves
// nothing between ranks, as one alone does, has no place on them.
class Plot {
 public:
  explicit Plot(std::span<const Measurement> rows) {
    for (const Measurement& row : rows) {
      if (row.bytes > 0 && row.bus_bandwidth() > 0) {
        curves_[curve_name(row)].emplace_back(std::log2(row.bytes),
                                              std::log10(row.bus_bandwidth()));
      }
    }
    for (const auto& [name, points] : curves_) {
      for (const auto& [x, y] : points) {
        left_ = std::min(left_, x);
        right_ = std::max(right_, x);
        low_ = std::min(low_, std::floor(y));
        high_ = std::max(high_, std::ceil(y));
      }
    }
  }

  std::string svg() const {
    std::string text = format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" "
        "height=\"%d\" font-family=\"sans-serif\" font-size=\"13\">\n",
        std::max(480, 60 + 16 * static_cast<int>(curves_.size())));
    text += kStyleSheet;
    text +=
        "<rect width=\"100%\" height=\"100%\" class=\"paper\"/>\n"
        "<text x=\"60\" y=\"20\">bus bandwidth (bytes/s) over size</text>\n";
    text += grid();
    int index = 0;
    for (const auto& [name, points] : curves_) {
      text += curve(index++, name, points);
    }
    return text + "</svg>\n";
  }

 private:
  using Points = std::vector<std::pair<double, double>>;

  double at_x(double x) const {
    return 60 + 520 * (x - left_) / std::max(1.0, right_ - left_);
  }
  double at_y(double y) const {
    return 440 - 400 * (y - low_) / std::max(1.0, high_ - low_);
  }

  std::string grid() const {
    std::string text;
    for (double y = low_; y <= high_; ++y) {
      text += format(
          "<path d=\"M60 %.1f H580\" class=\"grid\"/><text x=\"10\" "
          "y=\"%.1f\">1e%.0f</text>\n",
          at_y(y),
          at_y(y) + 4,
          y);
    }
    for (double x = 10 * std::ceil(left_ / 10); x <= right_; x += 10) {
      text += format(
          "<path d=\"M%.1f 40 V440\" class=\"grid\"/><text x=\"%.1f\" "
          "y=\"458\" text-anchor=\"middle\">%s</text>\n",
          at_x(x),
          at_x(x),
          size_text(std::int64_t{1} << static_cast<int>(x)).c_str());
    }
    return text;
  }

  std::string curve(int index,
                    const std::string& name,
                    const Points& points) const {
    const std::string color = format("hsl(%d,65%%,45%%)", index * 67 % 360);
    std::string path;
    for (const auto& [x, y] : points) {
      path += format("%c%.1f %.1f", path.empty() ? 'M' : 'L', at_x(x), at_y(y));
    }
    return concat("<path d=\"",
                  path,
                  "\" fill=\"none\" stroke=\"",
                  color,
                  "\" stroke-width=\"2\"/><text x=\"595\" y=\"",
                  48 + 16 * index,
                  "\">",
                  "<tspan fill=\"",
                  color,
                  "\">\u25A0</tspan> ",
                  name,
                  "</text>\n");
  }

  std::map<std::string, Points> curves_;
  double left_ = 60;
  double right_ = 0;
  double low_ = 30;
  double high_ = 0;
};

}  // namespace

std::string to_svg(std::span<const Measurement> rows) {
  return Plot(rows).svg();
}

}  // namespace dure::comm
