// A plot of the measurements of `dure bench comm`.
#pragma once

#include <span>
#include <string>

#include "dure/comm/measure.h"

namespace dure::report {

// Bus bandwidth over size, one curve a collective and algorithm: an SVG image.
// Both axes are logarithmic, with a grid line each power of ten or of 1024.
// Measurements without traffic between ranks, as of a single one, are left out.
std::string to_svg(std::span<const comm::Measurement> rows);

}  // namespace dure::report
