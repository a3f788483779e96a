// From a configuration to the three data sets of a run.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>

#include "dure/base/log.h"
#include "dure/data/config.h"
#include "dure/data/dataset.h"

namespace dure::data {

// How many samples are wanted of each; a run knows from its steps and batches.
struct SampleCounts {
  static constexpr std::int64_t kOneEpoch = -1;  // all of it, once

  std::int64_t train = 0;
  std::int64_t validation = 0;
  std::int64_t test = 0;
};

struct BuildOptions {
  SampleCounts samples = {};
  std::uint64_t seed = 0;
  std::int64_t vocabulary = std::numeric_limits<std::int32_t>::max();
  const Log* log = nullptr;
};

// None where no samples were wanted, or where the configuration gives no data.
struct Datasets {
  std::unique_ptr<Dataset> train;
  std::unique_ptr<Dataset> validation;
  std::unique_ptr<Dataset> test;
};

// Throws UsageError for a configuration that contradicts itself, Error for data
// that is missing, broken or too short.
Datasets build_datasets(const DataConfig& config, const BuildOptions& options);

}  // namespace dure::data
