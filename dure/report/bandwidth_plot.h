// What `dure bench comm` measured, as a plot.
#pragma once

#include <span>
#include <string>

#include "dure/comm/measure.h"

namespace dure::report {

// Bus bandwidth over size, one curve a collective and algorithm: an SVG image.
// Both axes are logarithmic, with a grid line each power of ten or of 1024.
// What moves nothing between ranks, as one alone does, has no place on them.
std::string to_svg(std::span<const comm::Measurement> rows);

}  // namespace dure::report
