// A mixture of data sets by weight. Its order keeps every prefix as near to the
// weights as possible: Megatron's blending.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dure/data/dataset.h"

namespace dure::data {

// For each sample of the mixture: its data set, and its number there.
struct BlendOrder {
  std::vector<std::uint16_t> part;
  std::vector<std::uint32_t> sample;
};

// Sample i comes from the data set that lags most behind its share: the largest
// of weight * max(i, 1) - (samples taken so far), the first of equals.
// `weights` add up to 1. O(samples * weights).
BlendOrder blend_order(const std::vector<double>& weights,
                       std::int64_t samples);

// How many samples a data set of that weight is asked for; blend_order() never
// takes more from it. The margin of half a percent is Megatron's.
std::int64_t blend_share(double weight, std::int64_t samples);

class BlendedDataset : public Dataset {
 public:
  // The parts have the same sample_tokens(), and size() >= blend_share().
  BlendedDataset(std::vector<std::unique_ptr<Dataset>> parts,
                 const std::vector<double>& weights,
                 std::int64_t samples);

  std::int64_t size() const override { return std::ssize(order_.part); }
  std::int64_t sample_tokens() const override {
    return parts_.front()->sample_tokens();
  }
  void sample(std::int64_t index,
              std::span<std::int32_t> tokens) const override;

 private:
  std::vector<std::unique_ptr<Dataset>> parts_;
  BlendOrder order_;
};

}  // namespace dure::data
