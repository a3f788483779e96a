// The order of a GPT data set's samples: three index arrays, a pure function of
// the lengths of the sequences, the plan and the seed.
//
//   documents   the sequences of all epochs, shuffled
//   samples     where in that order each sample begins: (place, token)
//   shuffle     which of those samples is the i-th to be read
//
// The shuffles are Fisher-Yates with Dure's own random stream: the same seed
// gives the same order on every machine and layout, but not NumPy's, so it
// differs from Megatron's order with that seed. By epoch (SampleOrder), the
// index of more epochs begins with that of fewer: documents and samples of an
// epoch depend only on the data, the seed and that epoch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "dure/base/files.h"
#include "dure/data/epoch_plan.h"
#include "dure/data/indexed_dataset.h"
#include "dure/data/split.h"

namespace dure::data {

struct GptIndexInputs {
  Range range;  // of sequences; not empty
  EpochPlan plan;
  SampleOrder order = SampleOrder::kByEpoch;
  std::uint64_t seed = 0;
};

// The lengths of the arrays. Checks the limits of a u32.
struct GptIndexSizes {
  std::int64_t documents = 0;  // range.size() * epochs
  std::int64_t samples = 0;

  explicit GptIndexSizes(const GptIndexInputs& inputs);

  // All u32s: documents, samples + 1 places, samples + 1 tokens, samples.
  std::int64_t words() const { return documents + 3 * samples + 2; }
};

// The arrays, in memory or mapped from a cache file.
class GptIndex {
 public:
  using Words = std::variant<std::vector<std::uint32_t>, MappedFile>;

  // `offset` is the word of the map where the arrays begin.
  GptIndex(Words words, GptIndexSizes sizes, std::size_t offset);
  GptIndex(GptIndex&&) = default;

  static GptIndex build(const IndexView& data, const GptIndexInputs& inputs);

  std::span<const std::uint32_t> words() const { return all_; }
  const GptIndexSizes& sizes() const { return sizes_; }

  std::int64_t samples() const {
    return static_cast<std::int64_t>(shuffle_.size());
  }
  // The sequence at a place of the document order.
  std::int64_t document(std::int64_t place) const { return documents_[place]; }

  struct Position {
    std::int64_t place = 0;   // in the document order
    std::int64_t offset = 0;  // token of that sequence
  };
  // Where the i-th sample to be read begins.
  Position position(std::int64_t i) const {
    const std::uint32_t sample = shuffle_[i];
    return {places_[sample], offsets_[sample]};
  }

 private:
  Words owner_;
  GptIndexSizes sizes_;
  std::span<const std::uint32_t> all_;
  std::span<const std::uint32_t> documents_;
  std::span<const std::uint32_t> places_;
  std::span<const std::uint32_t> offsets_;
  std::span<const std::uint32_t> shuffle_;
};

}  // namespace dure::data
