// The meaning of "so many samples were read": which documents, in which mixture
// and order, cut into samples of which length. A run writes it into its
// checkpoints, and a resumed run compares.
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
  // A data set of the mixture. Its place and its time of writing do not count:
  // the prefix only names it in messages.
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
// tokens. If there are more than 256 MiB, 1,024 pieces of 64 KiB are hashed,
// spread evenly over them.
std::string contents_of(const IndexedDataset& data);

// The first difference, such as "data.sequence was 1024, and is 512"; none if
// both give the same samples the same numbers.
std::optional<std::string> difference(const DataIdentity& before,
                                      const DataIdentity& now);

// For nlohmann::json j = identity and j.get<DataIdentity>(), which throws Error
// for JSON that to_json() would not have written.
void to_json(nlohmann::json& json, const DataIdentity& identity);
void from_json(const nlohmann::json& json, DataIdentity& identity);

}  // namespace dure::data
