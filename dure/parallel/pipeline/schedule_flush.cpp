// Schedules whose backwards are not split and end before the update.
#include <algorithm>

#include "dure/parallel/pipeline/families.h"

namespace dure::parallel {

Program naive_program(const ScheduleOptions& options) {
  Program program;
  for (int n = 0; n < options.micro_batches; ++n) {
    program.push_back({.pass = Pass::kForward, .micro_batch = n});
    program.push_back({.pass = Pass::kBackward, .micro_batch = n});
  }
  return program;
}

Program gpipe_program(const ScheduleOptions& options) {
  Program program;
  for (const Pass pass : {Pass::kForward, Pass::kBackward}) {
    for (int n = 0; n < options.micro_batches; ++n) {
      program.push_back({.pass = pass, .micro_batch = n});
    }
  }
  return program;
}

namespace {

// The k-th forward, or backward, of a rank: chunks take turns of p
// micro-batches, backwards starting with the last chunk. A single chunk has all
// turns.
Action turn(const ScheduleOptions& options, Pass pass, int k) {
  const int p = options.ranks;
  const int v = options.chunks;
  const int chunk = k % (p * v) / p;
  return {.pass = pass,
          .chunk = pass == Pass::kForward ? chunk : v - 1 - chunk,
          .micro_batch = k / (p * v) * p + k % p};
}

// Does some forwards, then one forward and one backward alternately, then the
// rest.
Program alternate(const ScheduleOptions& options, int forwards_ahead) {
  const int all = options.micro_batches * options.chunks;
  const int ahead = std::min(forwards_ahead, all);
  Program program;
  for (int k = 0; k < ahead; ++k) {
    program.push_back(turn(options, Pass::kForward, k));
  }
  for (int k = 0; k < all; ++k) {
    if (k + ahead < all) {
      program.push_back(turn(options, Pass::kForward, k + ahead));
    }
    program.push_back(turn(options, Pass::kBackward, k));
  }
  return program;
}

}  // namespace

Program one_f_one_b_program(const ScheduleOptions& options, int rank) {
  return alternate(options, options.ranks - 1 - rank);
}

// Chunk 0 of a rank goes backward (v - 1) p forwards later than its last chunk.
// On the way through the last chunk each rank before this one adds two.
Program interleaved_program(const ScheduleOptions& options, int rank) {
  if (options.chunks == 1) {
    return one_f_one_b_program(options, rank);
  }
  const int p = options.ranks;
  return alternate(options, 2 * (p - 1 - rank) + (options.chunks - 1) * p);
}

}  // namespace dure::parallel
