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
  std::int64_t epochs = 0;
  std::int64_t samples = 0;            // of all epochs: at least those wanted
  std::int64_t samples_per_epoch = 0;  // floor((tokens - 1) / sequence)

  // Samples [0, first_block) are shuffled among themselves, and so are those
  // from there on. Where the last epoch gives less than 80 % of an epoch's
  // samples it stands apart, so that no document comes up oftener, early on,
  // than its share; else there is one block only.
  std::int64_t first_block = 0;

  bool separate_last_epoch() const { return first_block < samples; }
};

// Throws Error where `tokens` do not suffice for one sample.
EpochPlan plan_epochs(std::int64_t tokens,
                      std::int64_t sequence,
                      std::int64_t wanted);

}  // namespace dure::data
