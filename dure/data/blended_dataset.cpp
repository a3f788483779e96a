#include "dure/data/blended_dataset.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "dure/base/check.h"

namespace dure::data {

BlendOrder blend_order(const std::vector<double>& weights,
                       std::int64_t samples) {
  DURE_CHECK(weights.size() <= std::numeric_limits<std::uint16_t>::max(),
             "a blend of {} data sets is more than 65535",
             weights.size());
  DURE_CHECK(samples <= std::numeric_limits<std::uint32_t>::max(),
             "a blend of {} samples is more than 2^32",
             samples);
  BlendOrder order;
  order.part.resize(samples);
  order.sample.resize(samples);
  std::vector<double> taken(weights.size());
  for (std::int64_t i = 0; i < samples; ++i) {
    const auto so_far = static_cast<double>(std::max<std::int64_t>(i, 1));
    std::size_t most = 0;
    double largest = weights[0] * so_far - taken[0];
    for (std::size_t d = 1; d < weights.size(); ++d) {
      const double lag = weights[d] * so_far - taken[d];
      if (lag > largest) {
        largest = lag;
        most = d;
      }
    }
    order.part[i] = static_cast<std::uint16_t>(most);
    order.sample[i] = static_cast<std::uint32_t>(taken[most]);
    taken[most] += 1;
  }
  return order;
}

std::int64_t blend_share(double weight, std::int64_t samples) {
  constexpr double kMargin = 1.005;
  return static_cast<std::int64_t>(
      std::ceil(weight * static_cast<double>(samples) * kMargin));
}

BlendedDataset::BlendedDataset(std::vector<std::unique_ptr<Dataset>> parts,
                               const std::vector<double>& weights,
                               std::int64_t samples)
    : parts_(std::move(parts)), order_(blend_order(weights, samples)) {
  assert(!parts_.empty() && parts_.size() == weights.size());
}

void BlendedDataset::sample(std::int64_t index,
                            std::span<std::int32_t> tokens) const {
  DURE_CHECK(index >= 0 && index < size(),
             "wanted sample {} of a blend of {}",
             index,
             size());
  parts_[order_.part[index]]->sample(order_.sample[index], tokens);
}

}  // namespace dure::data
