#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dure/comm/measure.h"

namespace dure::comm {
namespace {

std::string time_text(double seconds) {
  return seconds < 1e-3 ? fmt::format("{:.2f} us", 1e6 * seconds)
         : seconds < 1  ? fmt::format("{:.2f} ms", 1e3 * seconds)
                        : fmt::format("{:.2f} s", seconds);
}

}  // namespace

std::string size_text(std::int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB"};
  int unit = 0;
  for (; unit < 3 && bytes >= 1024 && bytes % 1024 == 0; ++unit) {
    bytes /= 1024;
  }
  return fmt::format("{} {}", bytes, kUnits[unit]);
}

std::string to_table(std::span<const Measurement> rows) {
  std::string text =
      "| back end | collective | algorithm | ranks | size | time (least to "
      "most) | algorithm GB/s | bus GB/s | of the limit |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Measurement& row : rows) {
    text += fmt::format(
        "| {} | {} | {} | {} | {} | {} ({} to {}) | {:.3f} | {:.3f} | {} |\n",
        row.back_end,
        name_of(row.kind),
        name_of(row.algorithm),
        row.ranks,
        size_text(row.bytes),
        time_text(row.seconds),
        time_text(row.least_seconds),
        time_text(row.most_seconds),
        1e-9 * row.algorithm_bandwidth(),
        1e-9 * row.bus_bandwidth(),
        row.limit_seconds == 0 ? "-"
                               : fmt::format("{:.2f}", row.share_of_limit()));
  }
  return text;
}

std::string to_csv(std::span<const Measurement> rows) {
  std::string text =
      "back_end,collective,algorithm,ranks,bytes,seconds,least_seconds,"
      "most_seconds,algorithm_bytes_per_second,bus_bytes_per_second,"
      "limit_seconds\n";
  for (const Measurement& row : rows) {
    text += fmt::format(
        "{},{},{},{},{},{:.9g},{:.9g},{:.9g},{:.9g},{:.9g},{:.9g}\n",
        row.back_end,
        name_of(row.kind),
        name_of(row.algorithm),
        row.ranks,
        row.bytes,
        row.seconds,
        row.least_seconds,
        row.most_seconds,
        row.algorithm_bandwidth(),
        row.bus_bandwidth(),
        row.limit_seconds);
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

}  // namespace dure::comm
