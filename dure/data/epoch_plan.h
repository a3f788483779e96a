// How many epochs of a data set give so many samples, as Megatron counts them.
// Arithmetic only.
#pragma once

#include <cstdint>

namespace dure::data {

// All tokens of `epochs` epochs form one sequence. Sample i is its tokens i *
// sequence to (i + 1) * sequence, both included, so neighbours share a token:
// the last target of one and the first input of the next.
//
//   samples = floor((epochs * tokens - 1) / sequence)
struct EpochPlan {
  std::int64_t tokens = 0;  // of an epoch
  std::int64_t sequence = 0;
  std::int64_t epochs = 0;
  std::int64_t samples = 0;            // of all epochs: at least those wanted
  std::int64_t samples_per_epoch = 0;  // floor((tokens - 1) / sequence)

  // The samples before the last epoch, if that one is shuffled separately, as
  // it is when less than 80 % of its samples are wanted; else all samples.
  std::int64_t first_block = 0;

  bool separate_last_epoch() const { return first_block < samples; }

  // The samples whose last token is before that epoch.
  std::int64_t samples_before(std::int64_t epoch) const {
    return epoch == 0 ? 0 : (epoch * tokens - 1) / sequence;
  }
};

// Which epochs are shuffled together, documents and samples alike. A sample
// belongs to the epoch of its last token. The numbers are written into
// checkpoints.
enum class SampleOrder : std::int8_t {
  kJoint = 1,    // all epochs together, but perhaps the last, as in Megatron:
                 // more samples change the whole order
  kByEpoch = 2,  // each epoch separately: more samples only extend the order
};

// Throws Error if `tokens` do not suffice for one sample.
EpochPlan plan_epochs(std::int64_t tokens,
                      std::int64_t sequence,
                      std::int64_t wanted);

}  // namespace dure::data
