// The functions behind program_of(), one for each schedule, for valid options.
#pragma once

#include <vector>

#include "dure/parallel/pipeline/schedule.h"

namespace dure::parallel {

Program naive_program(const ScheduleOptions& options);
Program gpipe_program(const ScheduleOptions& options);
Program one_f_one_b_program(const ScheduleOptions& options, int rank);
Program interleaved_program(const ScheduleOptions& options, int rank);
Program zb_h1_program(const ScheduleOptions& options, int rank);

// The programs of all ranks: each depends on when the other ranks are done.
std::vector<Program> zb_2p_programs(const ScheduleOptions& options);
std::vector<Program> zb_v_programs(const ScheduleOptions& options);

// For pipedream and pipedream-2bw.
Program asynchronous_program(const ScheduleOptions& options, int rank);

}  // namespace dure::parallel
