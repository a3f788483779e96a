// A replay as text, or as SVG: a row a rank, time from left to right.
//
// Spans may be those that replay() made, or measured ones. Of Replay only the
// spans and the makespan are read.
#pragma once

#include <string>

#include "dure/parallel/pipeline/replay.h"

namespace dure::parallel {

// As in schedule.h, a line a rank. A cell is a slot: the longest time that all
// spans are made of, where it is an eighth of the shortest span or more; else
// the shortest span, and a cell shows what runs at its middle. What takes no
// time is not drawn.
std::string draw_text(const ScheduleOptions& options, const Replay& replay);

struct DrawOptions {
  std::string title = {};
  std::string unit = "slots";  // of time
  double until = 0;   // where the axis of time ends; 0: at the makespan
  double pixels = 0;  // that axis' width; 0: as wide as the numbers need
};

// One <svg> element that stands by itself, or several in a page: no
// identifiers; what it says of style is of its own class. It is dark where the
// reader's system is. Cells are coloured by pass, lighter by chunk, have the
// number of their micro-batch where it fits, and say more on hovering.
std::string draw_svg(const ScheduleOptions& options,
                     const Replay& replay,
                     const DrawOptions& draw = {});

}  // namespace dure::parallel
