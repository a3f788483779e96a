#include "dure/report/ticks.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace dure::report {
namespace {

// The least number that is 1, 2 or 5 times a power of ten and at least `least`.
double round_step(double least) {
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least) {
      return factor * power;
    }
  }
  return 10 * power;
}

// The significant digits, without zeros at the end.
std::string digits(double value) {
  return fmt::format("{:.4g}", value);
}

}  // namespace

std::vector<double> ticks(double low, double high, int most) {
  const double step = round_step((high - low) / (most - 1));
  std::vector<double> marks;
  // The tolerance includes an end that rounding has pushed out.
  const double last = std::floor(high / step + 1e-9);
  for (double i = std::ceil(low / step - 1e-9);
       i <= last && marks.size() < static_cast<std::size_t>(most);
       ++i) {
    marks.push_back(i == 0 ? 0 : i * step);
  }
  return marks;
}

std::vector<double> log_ticks(double low, double high, int most) {
  const double first = std::ceil(std::log10(low) - 1e-9);
  const double last = std::floor(std::log10(high) + 1e-9);
  if (last - first < 1) {
    return ticks(low, high, most);
  }
  const double stride = std::ceil((last - first + 1) / most);
  std::vector<double> marks;
  for (double power = first; power <= last; power += stride) {
    marks.push_back(std::pow(10.0, power));
  }
  return marks;
}

std::vector<int> powers_of_two(double low, double high, int most) {
  const auto first = static_cast<int>(std::ceil(std::log2(low) - 1e-6));
  const auto last = static_cast<int>(std::floor(std::log2(high) + 1e-6));
  const int stride = std::max((last - first + most) / most, 1);
  std::vector<int> powers;
  for (int power = first; power <= last; power += stride) {
    powers.push_back(power);
  }
  return powers;
}

std::string short_text(double value) {
  if (!std::isfinite(value)) {
    return "none";
  }
  constexpr struct {
    double unit;
    const char* prefix;
  } kPrefixes[] = {{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e3, " k"}};
  for (const auto& [unit, prefix] : kPrefixes) {
    if (std::abs(value) >= unit && std::abs(value) >= 1e4) {
      return digits(value / unit) + prefix;
    }
  }
  return digits(value);
}

std::string grouped(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t i = text.size(); i > 3; i -= 3) {
    text.insert(i - 3, 1, ',');
  }
  return text;
}

std::string bytes_text(double bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) {
    return fmt::format("{:.0f} B", bytes);
  }
  std::size_t unit = 0;
  bytes /= 1024;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}",
                     bytes,
                     bytes < 10    ? 2
                     : bytes < 100 ? 1
                                   : 0,
                     kUnits[unit]);
}

std::string seconds_text(double seconds) {
  if (seconds >= 3600) {
    const double minutes = std::floor(seconds / 60);
    return fmt::format("{:.0f} h {:02.0f} min",
                       std::floor(minutes / 60),
                       std::fmod(minutes, 60));
  }
  if (seconds >= 100) {
    return fmt::format("{:.0f} min {:02.0f} s",
                       std::floor(seconds / 60),
                       std::fmod(seconds, 60));
  }
  if (seconds >= 1) {
    return fmt::format("{:.3g} s", seconds);
  }
  return seconds >= 1e-3 ? fmt::format("{:.3g} ms", 1e3 * seconds)
                         : fmt::format("{:.3g} us", 1e6 * seconds);
}

std::string percent_text(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

}  // namespace dure::report
