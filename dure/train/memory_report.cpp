#include "dure/train/memory_report.h"

#include <fmt/format.h>

namespace dure::train {

std::string memory_json(int rank, const Ledger& ledger) {
  std::string text = fmt::format("  {{\"rank\": {}, \"peak_bytes\": {{", rank);
  for (std::size_t c = 0; c < kCategories; ++c) {
    const auto category = static_cast<Category>(c);
    text += fmt::format("{}\"{}\": {}",
                        c > 0 ? ", " : "",
                        name_of(category),
                        ledger.peak(category));
  }
  return text + fmt::format("}}, \"peak_total\": {}}}", ledger.peak());
}

std::string memory_json(std::span<const std::string> ranks) {
  std::string text = "[\n";
  const char* separator = "";
  for (const std::string& rank : ranks) {
    text += separator + rank;
    separator = ",\n";
  }
  return text + "\n]\n";
}

}  // namespace dure::train
