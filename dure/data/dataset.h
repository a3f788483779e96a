// The interface of training data: numbered samples of token ids.
#pragma once

#include <cstdint>
#include <span>

namespace dure::data {

// Any sample can be read at any time, in constant time, so resuming means going
// on at the next number. Use from any thread.
class Dataset {
 public:
  Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;
  virtual ~Dataset() = default;

  virtual std::int64_t size() const = 0;

  // Tokens of a sample: data.sequence + 1, the inputs and the last target.
  virtual std::int64_t sample_tokens() const = 0;

  // Writes sample `index` into `tokens`, which holds sample_tokens() of them.
  // Throws Error for an index or a token id that is out of range.
  virtual void sample(std::int64_t index,
                      std::span<std::int32_t> tokens) const = 0;
};

}  // namespace dure::data
