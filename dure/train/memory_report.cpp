#include "dure/train/memory_report.h"

#include <fmt/format.h>

namespace dure::train {
namespace {

std::string rank_json(std::size_t rank, const Ledger& ledger) {
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

}  // namespace

std::string memory_json(std::span<const Ledger* const> ranks) {
  std::string text = "[\n";
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    text += (rank > 0 ? ",\n" : "") + rank_json(rank, *ranks[rank]);
  }
  return text + "\n]\n";
}

}  // namespace dure::train
