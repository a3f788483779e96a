// How many epochs of a data set give so many samples, as Megatron counts them.
// Arithmetic only.
#pragma once

#include <cstdint>

namespace dure::data {

// All tokens of `epochs` epochs are one stream; sample i is its tokens
// i * sequence to (i + 1) * sequence, both included, so that neighbours share
// the token which is the last target of one and the first input of the next.
//
//   samples = floor((epochs * tokens - 1) / sequence)
struct EpochPlan {
  std::int64_t tokens = 0;  // of an epoch
  std::int64_t sequence = 0;
  std::int64_t epochs = 0;
  std::int64_t samples = 0;            // of all epochs: at least those wanted
  std::int64_t samples_per_epoch = 0;  // floor((tokens - 1) / sequence)

  // Samples before the last epoch, where that one stands apart, as it does
  // where less than 80 % of its samples are wanted; else all samples.
  std::int64_t first_block = 0;

  bool separate_last_epoch() const { return first_block < samples; }

  // Samples whose last token lies before that epoch.
  std::int64_t samples_before(std::int64_t epoch) const {
    return epoch == 0 ? 0 : (epoch * tokens - 1) / sequence;
  }
};

// What is shuffled together, documents and samples alike. A sample belongs to
// the epoch of its last token. The numbers are written into checkpoints.
enum class SampleOrder : std::int8_t {
  kJoint = 1,    // all epochs, as Megatron does, but a last one that stands
                 // apart: more samples deal everything anew
  kByEpoch = 2,  // each epoch by itself: more samples only add to the order
};

// Throws Error where `tokens` do not suffice for one sample.
EpochPlan plan_epochs(std::int64_t tokens,
                      std::int64_t sequence,
                      std::int64_t wanted);

}  // namespace dure::data
