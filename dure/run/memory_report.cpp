#include "dure/run/memory_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace dure::train {

std::string memory_json(int rank, const Ledger& ledger) {
  nlohmann::ordered_json peaks;
  for (std::size_t c = 0; c < kCategories; ++c) {
    const auto category = static_cast<Category>(c);
    peaks[name_of(category)] = ledger.peak(category);
  }
  return nlohmann::ordered_json{
      {"rank", rank}, {"peak_bytes", peaks}, {"peak_total", ledger.peak()}}
      .dump();
}

std::string memory_json(std::span<const std::string> ranks) {
  return fmt::format("[\n{}\n]\n", fmt::join(ranks, ",\n"));
}

}  // namespace dure::train
