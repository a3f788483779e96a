// From a configuration to the data sets of a run, or of an evaluation.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>

#include "dure/base/log.h"
#include "dure/data/config.h"
#include "dure/data/data_identity.h"
#include "dure/data/dataset.h"
#include "dure/data/epoch_plan.h"
#include "dure/data/mixture.h"

namespace dure::data {

// How many samples are wanted from each; a run computes them from its steps and
// batches.
struct SampleCounts {
  std::int64_t train = 0;
  std::int64_t validation = 0;
  std::int64_t test = 0;
};

struct BuildOptions {
  SampleCounts samples = {};
  SampleOrder order = SampleOrder::kByEpoch;
  std::uint64_t seed = 0;
  std::int64_t vocabulary = std::numeric_limits<std::int32_t>::max();
  const Log* log = nullptr;
};

// A data set is null if no samples were wanted, or the configuration has no
// data for it.
struct Datasets {
  std::unique_ptr<Dataset> train;
  std::unique_ptr<Dataset> validation;
  std::unique_ptr<Dataset> test;
  DataIdentity identity;    // of `train`
  std::int64_t epochs = 0;  // the most that `train` takes from a data set
};

// Opens every data set that the configuration names, wanted or not, and warns
// about evaluation data of which nothing is wanted. Throws UsageError for a
// configuration that contradicts itself, Error for data that is missing, broken
// or too short.
Datasets build_datasets(const DataConfig& config, const BuildOptions& options);

enum class Part : std::int8_t { kTrain, kValidation, kTest };
const char* name_of(Part part);

// Whether the configuration has data for that part: a list of its own, or a
// share of data.split above 0.
bool gives(const DataConfig& config, Part part);

// Every data set of that part, once. Weights add up to 1: the configuration's,
// or the shares of the samples. Throws like build_datasets(), and UsageError if
// there is no data for the part.
Mixture open_once(const DataConfig& config,
                  Part part,
                  const BuildOptions& options);

}  // namespace dure::data
