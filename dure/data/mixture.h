// Data sets that are read once each and whose losses are weighed: what an
// evaluation of a blend is.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dure/data/dataset.h"

namespace dure::data {

struct WeighedDataset {
  double weight = 1;  // all add up to 1
  std::unique_ptr<Dataset> dataset;
};

using Mixture = std::vector<WeighedDataset>;

// How many samples to read of each, of about so many in all: by weight,
// rounded, but one of each at least, and no more than it has.
std::vector<std::int64_t> share_out(const Mixture& mixture,
                                    std::int64_t samples);

// All that each has.
std::vector<std::int64_t> sizes_of(const Mixture& mixture);

}  // namespace dure::data
