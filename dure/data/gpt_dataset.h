// Samples of a fixed number of tokens, cut from shuffled documents: the same as
// Megatron's GPT data set.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>

#include "dure/base/log.h"
#include "dure/data/dataset.h"
#include "dure/data/gpt_index.h"
#include "dure/data/indexed_dataset.h"
#include "dure/data/split.h"

namespace dure::data {

struct GptDatasetOptions {
  static constexpr std::int64_t kOneEpoch = 0;

  Range range;                       // of the data set's sequences
  std::int64_t sequence = 0;         // a sample has one token more
  std::int64_t samples = kOneEpoch;  // at least so many, over whole epochs
  SampleOrder order = SampleOrder::kByEpoch;
  std::uint64_t seed = 0;
  std::int64_t vocabulary = std::numeric_limits<std::int32_t>::max();
  std::string index_cache = {};  // a directory; empty: beside the data
  const Log* log = nullptr;      // for warnings; only used by the constructor
};

// A sample continues from one document into the next of the shuffled order;
// their end-of-document tokens, if the data has them, stand between.
class GptDataset : public Dataset {
 public:
  // Throws Error if the range is empty or shorter than one sample.
  GptDataset(std::shared_ptr<const IndexedDataset> data,
             const GptDatasetOptions& options);

  std::int64_t size() const override { return index_.samples(); }
  std::int64_t sample_tokens() const override {
    return inputs_.plan.sequence + 1;
  }
  void sample(std::int64_t index,
              std::span<std::int32_t> tokens) const override;

  const EpochPlan& plan() const { return inputs_.plan; }

 private:
  void check_ids(std::int64_t document,
                 std::span<const std::int32_t> tokens) const;

  std::shared_ptr<const IndexedDataset> data_;
  std::int64_t vocabulary_;
  GptIndexInputs inputs_;
  GptIndex index_;
};

// The tokens of the sequences of a range. Throws Error if the data does not
// have the range, or if it has fewer tokens than one sample.
std::int64_t tokens_for_samples(const IndexedDataset& data,
                                Range range,
                                std::int64_t sequence);

}  // namespace dure::data
