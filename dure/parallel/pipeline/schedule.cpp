#include "dure/parallel/pipeline/schedule.h"

#include <algorithm>
#include <cassert>
#include <fmt/core.h>

#include "dure/parallel/pipeline/families.h"

namespace dure::parallel {
namespace {

constexpr NamedSchedule kSchedules[] = {
    {"naive", ScheduleKind::kNaive},
    {"gpipe", ScheduleKind::kGpipe},
    {"1f1b", ScheduleKind::k1F1B},
    {"interleaved", ScheduleKind::kInterleaved},
    {"zb-h1", ScheduleKind::kZbH1},
    {"zb-2p", ScheduleKind::kZb2p},
    {"zb-v", ScheduleKind::kZbV},
    {"pipedream", ScheduleKind::kPipedream},
    {"pipedream-2bw", ScheduleKind::kPipedream2bw},
};

const char* letter_of(Pass pass) {
  switch (pass) {
    case Pass::kForward:
      return "F";
    case Pass::kBackward:
    case Pass::kInputGradient:
      return "B";
    case Pass::kWeightGradient:
      return "W";
    case Pass::kUpdate:
      return "U";
  }
  return "?";
}

bool is_v_shaped(const ScheduleOptions& options) {
  return options.kind == ScheduleKind::kZbV;
}

}  // namespace

std::span<const NamedSchedule> schedules() {
  return kSchedules;
}

const char* name_of(ScheduleKind kind) {
  for (const NamedSchedule& schedule : kSchedules) {
    if (schedule.value == kind) {
      return schedule.name;
    }
  }
  return "unknown";
}

std::string text_of(const Action& action, int chunks) {
  const std::string text =
      fmt::format("{}{}", letter_of(action.pass), action.micro_batch);
  return chunks > 1 ? fmt::format("{}.{}", text, action.chunk) : text;
}

bool is_synchronous(ScheduleKind kind) {
  return kind != ScheduleKind::kPipedream &&
         kind != ScheduleKind::kPipedream2bw;
}

bool splits_backward(ScheduleKind kind) {
  return kind == ScheduleKind::kZbH1 || kind == ScheduleKind::kZb2p ||
         kind == ScheduleKind::kZbV;
}

std::vector<Program> programs_of(const ScheduleOptions& options) {
  if (options.kind == ScheduleKind::kZb2p) {
    return zb_2p_programs(options);
  }
  if (options.kind == ScheduleKind::kZbV) {
    return zb_v_programs(options);
  }
  std::vector<Program> programs;
  for (int rank = 0; rank < options.ranks; ++rank) {
    programs.push_back(program_of(options, rank));
  }
  return programs;
}

Program program_of(const ScheduleOptions& options, int rank) {
  switch (options.kind) {
    case ScheduleKind::kNaive:
      return naive_program(options);
    case ScheduleKind::kGpipe:
      return gpipe_program(options);
    case ScheduleKind::k1F1B:
      return one_f_one_b_program(options, rank);
    case ScheduleKind::kInterleaved:
      return interleaved_program(options, rank);
    case ScheduleKind::kZbH1:
      return zb_h1_program(options, rank);
    case ScheduleKind::kZb2p:
    case ScheduleKind::kZbV:
      return programs_of(options)[rank];
    case ScheduleKind::kPipedream:
    case ScheduleKind::kPipedream2bw:
      return asynchronous_program(options, rank);
  }
  return {};
}

int weight_staleness(const ScheduleOptions& options, int rank) {
  switch (options.kind) {
    case ScheduleKind::kPipedream:
      return options.ranks - 1 - rank;
    case ScheduleKind::kPipedream2bw:
      return 1;
    default:
      return 0;
  }
}

std::vector<int> versions_read(const ScheduleOptions& options, int rank) {
  std::vector<int> versions;
  for (int n = 0; n < options.micro_batches; ++n) {
    const int update =
        is_synchronous(options.kind) ? 0 : n / options.micro_batches_per_update;
    versions.push_back(std::max(update - weight_staleness(options, rank), 0));
  }
  return versions;
}

int stage_of(const ScheduleOptions& options, int rank, int chunk) {
  assert(rank >= 0 && rank < options.ranks && chunk < options.chunks);
  if (is_v_shaped(options) && chunk == 1) {
    return 2 * options.ranks - 1 - rank;
  }
  return chunk * options.ranks + rank;
}

Place place_of(const ScheduleOptions& options, int stage) {
  const int chunk = stage / options.ranks;
  const int rank = stage % options.ranks;
  const bool back = is_v_shaped(options) && chunk == 1;
  return {.rank = back ? options.ranks - 1 - rank : rank, .chunk = chunk};
}

}  // namespace dure::parallel
