// What gives "so many samples were read" its meaning: which documents, in which
// mixture and order, cut into samples of which length. A run writes it into its
// checkpoints, and one that goes on compares.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "dure/data/epoch_plan.h"
#include "dure/data/indexed_dataset.h"
#include "dure/data/split.h"

namespace dure::data {

struct DataIdentity {
  // A data set of the mixture. Where it lies and when it was written do not
  // count: the prefix only names it in messages.
  struct Part {
    std::string prefix;
    std::string contents;  // see contents_of()
    Range range;           // of documents that are read
    double weight = 0;     // all add up to 1
  };

  SampleOrder order = SampleOrder::kByEpoch;
  std::int64_t sequence = 0;
  std::vector<Part> parts;
};

// A hash, in hexadecimal, of the .idx, of the size of the .bin, and of all its
// tokens; of more than 256 MiB, of 1,024 pieces of 64 KiB spread evenly over
// it.
std::string contents_of(const IndexedDataset& data);

// What differs first, such as "data.sequence was 1024, and is 512"; none where
// both number the same samples alike.
std::optional<std::string> difference(const DataIdentity& before,
                                      const DataIdentity& now);

// For nlohmann::json j = identity and j.get<DataIdentity>(), which throws Error
// for anything that to_json() would not have written.
void to_json(nlohmann::json& json, const DataIdentity& identity);
void from_json(const nlohmann::json& json, DataIdentity& identity);

}  // namespace dure::data
