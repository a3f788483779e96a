// Data sets that are read once each and whose losses are weighted: the
// evaluation of a blend.
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

// How many samples to read from each, about `samples` in all: by weight,
// rounded, but at least one and at most as many as it has.
std::vector<std::int64_t> share_out(const Mixture& mixture,
                                    std::int64_t samples);

// The sizes of all data sets.
std::vector<std::int64_t> sizes_of(const Mixture& mixture);

}  // namespace dure::data
