#include "dure/data/mixture.h"

#include <algorithm>
#include <cmath>

namespace dure::data {

std::vector<std::int64_t> share_out(const Mixture& mixture,
                                    std::int64_t samples) {
  std::vector<std::int64_t> shares;
  for (const WeighedDataset& part : mixture) {
    const auto size = static_cast<double>(part.dataset->size());
    const double share = part.weight * static_cast<double>(samples);
    shares.push_back(std::clamp<std::int64_t>(
        std::llround(std::min(share, size)), 1, part.dataset->size()));
  }
  return shares;
}

std::vector<std::int64_t> sizes_of(const Mixture& mixture) {
  std::vector<std::int64_t> sizes;
  for (const WeighedDataset& part : mixture) {
    sizes.push_back(part.dataset->size());
  }
  return sizes;
}

}  // namespace dure::data
