// How fast collectives are: time, algorithm and bus bandwidth, as nccl-tests
// define them [1].
//
// The size S of a collective is that of the larger of its tensors on a rank.
// Algorithm bandwidth is S / time. Bus bandwidth is that of the busiest link if
// the data went by an optimal algorithm, so it can be compared between
// collectives and numbers of ranks N. It is algorithm bandwidth times 2 (N - 1)
// / N for all_reduce, (N - 1) / N for all_gather, reduce_scatter, all_to_all,
// scatter and gather, and 1 for the rest.
//
// The limit of ranks in one memory: a collective has to read every byte that a
// rank gives and write every byte that a rank gets. Both are bounded by how
// fast cores bring in lines of memory. A line that is written without having
// been read is brought in, too, before it changes (or has to pass the same
// buffers, where stores bypass the caches), and sending changed lines back does
// not hold a core up. So there are two rates, of all ranks at once over memory
// that no cache holds:
//
//   C  bytes a second that they copy: two lines for each that is copied
//   U  bytes a second that they update in place: one line, read and written
//
// All_reduce in place reads and writes the same N S bytes: N S / U. The others
// write elsewhere than they read, and a copy does one of each. So all_gather
// takes (N + 1) S / (2 C) and broadcast N S / (2 C), as caches may serve their
// source to all readers but the first; reduce and reduce_scatter, which read N
// S and write S, take (N + 1) S / (2 C); all_to_all N S / C; scatter, gather
// and a message S / C. Measured: bench/results/comm_*.md.
//
// [1] NVIDIA, nccl-tests, doc/PERFORMANCE.md.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "dure/comm/communicator.h"

namespace dure::comm {

struct MeasureOptions {
  std::vector<Kind> kinds;
  std::vector<std::int64_t> sizes;  // bytes S, multiples of 4 (f32)
  std::vector<Algorithm> algorithms = {Algorithm::kAutomatic};
  double seconds = 0.2;  // of measuring, for each row, roughly
  int rounds = 5;        // the median of so many
};

struct Measurement {
  std::string back_end = {};
  Kind kind = Kind::kAllReduce;
  Algorithm algorithm = Algorithm::kAutomatic;
  int ranks = 1;
  std::int64_t bytes = 0;
  double seconds = 0;        // of one call: the slowest rank's, median
  double least_seconds = 0;  // of the rounds
  double most_seconds = 0;
  // The limit above, from rates measured beside the row. 0 where there is none:
  // ranks on several machines, barriers.
  double limit_seconds = 0;

  double algorithm_bandwidth() const;  // bytes a second
  double bus_bandwidth() const;
  // The limit as a share of the time taken; 0 without a limit.
  double share_of_limit() const;
};

// Collective: every rank makes the same call and gets the same rows. An
// algorithm that the back end lacks is left out. `limit` says whether to
// measure the limit as well.
enum class Limit : std::uint8_t { kNo, kYes };
std::vector<Measurement> measure(Communicator& comm,
                                 const MeasureOptions& options,
                                 Limit limit);

// The rates C and U above.
struct MemoryRates {
  double copy = 0;  // bytes a second
  double update = 0;
};
double limit_seconds(Kind kind,
                     int ranks,
                     std::int64_t bytes,
                     const MemoryRates& rates);

std::string to_table(std::span<const Measurement> rows);
std::string to_csv(std::span<const Measurement> rows);
void to_json(nlohmann::ordered_json& json, const Measurement& row);
std::string size_text(std::int64_t bytes);  // "4 KiB", "1000 B"

}  // namespace dure::comm
