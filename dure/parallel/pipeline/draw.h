// A replay as text, or as SVG: a row a rank, time from left to right.
//
// Spans may come from replay() or from measurements. Only the spans and the
// makespan of a Replay are read.
#pragma once

#include <string>

#include "dure/parallel/pipeline/replay.h"

namespace dure::parallel {

// Draws a line for each rank, as in schedule.h. A cell is a slot: the longest
// time of which all spans are multiples, if it is at least an eighth of the
// shortest span; else the shortest span, and a cell shows what runs at its
// middle. Actions that take no time are not drawn.
std::string draw_text(const ScheduleOptions& options, const Replay& replay);

struct DrawOptions {
  std::string title = {};
  std::string unit = "slots";  // of time
  double until = 0;   // where the axis of time ends; 0: at the makespan
  double pixels = 0;  // that axis' width; 0: as wide as the numbers need
};

// One <svg> element, to stand alone or beside others in a page: it has no
// identifiers, and its styles are of its own class. It is dark where the
// reader's system is. Cells are coloured by pass, lighter by chunk, show the
// number of their micro-batch where it fits, and say more on hovering.
std::string draw_svg(const ScheduleOptions& options,
                     const Replay& replay,
                     const DrawOptions& draw = {});

}  // namespace dure::parallel
