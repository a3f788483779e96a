// Pipeline schedules, as data: what each rank does, in which order.
//
// A model is cut into p v stages, v chunks of layers on each of p ranks. A
// schedule is a pure function from (kind, rank, p, v, m micro-batches) to a
// list of actions. One executor runs the list (executor.h), and replay() runs
// it against a clock (replay.h), so a schedule is tested for deadlock, bubble
// and memory at any size, on one core.
//
// With forward 1 and backward 2, p = 3, m = 4 (a backward is drawn as two
// slots; .. is idle):
//
//   1f1b
//   rank 0  F0 F1 F2 .. .. .. .. B0 B0 F3 B1 B1 .. B2 B2 .. B3 B3
//   rank 1  .. F0 F1 .. .. B0 B0 F2 B1 B1 F3 B2 B2 .. B3 B3
//   rank 2  .. .. F0 B0 B0 F1 B1 B1 F2 B2 B2 F3 B3 B3
//
// Every chunk takes its micro-batches in ascending order, forward and backward,
// so sums over micro-batches are the same for every schedule.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dure/base/fields.h"

namespace dure::parallel {

enum class ScheduleKind : std::uint8_t {
  kNaive,         // one stage at a time
  kGpipe,         // all forward, then all backward [1]
  k1F1B,          // PipeDream-Flush [2]
  kInterleaved,   // 1F1B over v chunks a rank [3, section 2.2]
  kZbH1,          // backward in two halves, memory as in 1F1B [4]
  kZb2p,          // backward in two halves, up to twice that memory [4]
  kZbV,           // two chunks a rank, there and back [4, 5]
  kPipedream,     // no flush, a weight version a micro-batch in flight [6]
  kPipedream2bw,  // no flush, two weight versions [2]
};
// [1] Huang et al. 2019, arXiv:1811.06965 (GPipe).
// [2] Narayanan et al. 2021, arXiv:2006.09503 (PipeDream-2BW).
// [3] Narayanan et al. 2021, arXiv:2104.04473 (Megatron-LM).
// [4] Qi et al. 2024, arXiv:2401.10241 (zero bubble).
// [5] Qi et al. 2024, arXiv:2405.15362 (controllable memory).
// [6] Narayanan et al. 2019, SOSP (PipeDream).

// All schedules, by their names in configurations: "1f1b".
using NamedSchedule = Choice<ScheduleKind>;
std::span<const NamedSchedule> schedules();
const char* name_of(ScheduleKind kind);

enum class Pass : std::uint8_t {
  kForward,         // F
  kBackward,        // B, all of it
  kInputGradient,   // B of a schedule that splits: gradients of the stage's
                    // input
  kWeightGradient,  // W: gradients of its weights, which kInputGradient
                    // deferred
  kUpdate,          // U: the optimizer, for schedules without a flush
};

struct Action {
  Pass pass = Pass::kForward;
  int chunk = 0;        // of this rank
  int micro_batch = 0;  // of the program; kUpdate has its last one
  bool operator==(const Action&) const = default;
};
using Program = std::vector<Action>;

// "F3", "B2", "W2", "U2"; with chunks, "F3.1".
std::string text_of(const Action& action, int chunks);

struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::k1F1B;
  int ranks = 1;          // p: of the pipe axis
  int micro_batches = 1;  // m: of the program
  int chunks = 1;         // v: of each rank
  // Micro-batches in an update, for schedules without a flush: 1 for pipedream,
  // p or more for pipedream-2bw.
  int micro_batches_per_update = 1;
};

// Throws UsageError if the schedule can't have these sizes, and names sizes
// that would do.
void validate(const ScheduleOptions& options);

// Whether all gradients of a step are made from the same weights, before its
// update. It is so for all but pipedream and pipedream-2bw.
bool is_synchronous(ScheduleKind kind);
// Whether backwards are split in two.
bool splits_backward(ScheduleKind kind);

// The actions of one rank of the pipe axis, for valid options. The zero-bubble
// schedules make all ranks' at once: use programs_of() to get several (a few
// milliseconds for 16 ranks and 128 micro-batches).
Program program_of(const ScheduleOptions& options, int rank);
std::vector<Program> programs_of(const ScheduleOptions& options);

// The most messages that a sender may have in flight on one edge, from a stage
// to a neighbour: before another, it waits for the oldest. A message is over
// when its receiver has it; the receive of an action is posted when the action
// before it begins. No schedule needs more than two.
inline constexpr int kPendingSends = 2;

// The staleness of a micro-batch's weights: how many updates older they are
// than the weights to which its gradient is applied. w(t + 1) = w(t) - rate *
// gradient(w(t - delay)); the first updates have less. It is 0 for synchronous
// schedules, p - 1 - rank for pipedream, 1 for pipedream-2bw.
int weight_staleness(const ScheduleOptions& options, int rank);

// For each micro-batch of the program, ascending: the version of the weights
// that this rank's forward and backward read, as the number of the program's
// updates that made it.
std::vector<int> versions_read(const ScheduleOptions& options, int rank);

// The stages 0 to p v - 1, in the order in which a micro-batch goes through
// them. Chunk c of rank r is stage c p + r. If stages go there and back (zb-v),
// chunk 1 of rank r is stage 2 p - 1 - r.
int stage_of(const ScheduleOptions& options, int rank, int chunk);
struct Place {
  int rank = 0;
  int chunk = 0;
  bool operator==(const Place&) const = default;
};
Place place_of(const ScheduleOptions& options, int stage);

}  // namespace dure::parallel
