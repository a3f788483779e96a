// How fast collectives are: time, algorithm and bus bandwidth, as nccl-tests
// define them [1].
//
// The size S of a collective is that of the larger of its tensors on a rank.
// Algorithm bandwidth is S / time. Bus bandwidth is that of the busiest link if
// the data went by an optimal algorithm, and so comparable between collectives
// and numbers of ranks N: algorithm bandwidth times 2 (N - 1) / N for
// all_reduce, (N - 1) / N for all_gather, reduce_scatter, all_to_all, scatter
// and gather, 1 for the rest.
//
// The limit of ranks in one memory: a collective has to read every byte that a
// rank gives and write every byte that a rank gets, except what it finds in
// place. A copy does one of each: if all ranks together copy B bytes a second,
// they read and write 2 B. So in-place all_reduce, that reads and writes N S,
// takes N S / B; all_gather and broadcast, whose source caches may serve to all
// readers but the first, (N + 1) S / (2 B) and N S / (2 B); reduce and
// reduce_scatter, which read N S and write S, (N + 1) S / (2 B); all_to_all,
// N S / B; scatter, gather and a message S / B.
//
// [1] NVIDIA, nccl-tests, doc/PERFORMANCE.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dure/comm/communicator.h"

namespace dure::comm {

struct MeasureOptions {
  std::vector<Kind> kinds;
  std::vector<std::int64_t> sizes;  // bytes S, multiples of 4 (f32)
  std::vector<Algorithm> algorithms = {Algorithm::kAutomatic};
  double seconds = 0.2;  // of measuring, for each row, about
  int rounds = 5;        // the median of so many
};

struct Measurement {
  std::string back_end;
  Kind kind = Kind::kAllReduce;
  Algorithm algorithm = Algorithm::kAutomatic;
  int ranks = 1;
  std::int64_t bytes = 0;
  double seconds = 0;        // of one call: the slowest rank's, median
  double least_seconds = 0;  // of the rounds
  double most_seconds = 0;
  double copy_bytes_per_second = 0;  // B, beside the row; 0 where it means
                                     // nothing: ranks on several machines

  double algorithm_bandwidth() const;  // bytes a second
  double bus_bandwidth() const;
  // The limit above as a share of the time taken; 0 without copies.
  double share_of_limit() const;
};

// Collective: every rank calls it alike and gets the same rows. What the back
// end has no algorithm for is left out. `limit`: whether to measure copies.
enum class CopyLimit : std::uint8_t { kNo, kYes };
std::vector<Measurement> measure(Communicator& comm,
                                 const MeasureOptions& options,
                                 CopyLimit limit);

// What the limit's time is to be multiplied by B.
double copied_bytes(Kind kind, int ranks, std::int64_t bytes);

std::string to_table(std::span<const Measurement> rows);
std::string to_csv(std::span<const Measurement> rows);
std::string to_json(std::span<const Measurement> rows);
// Bus bandwidth over size, one curve a collective and algorithm: an SVG image.
std::string to_svg(std::span<const Measurement> rows);

}  // namespace dure::comm
