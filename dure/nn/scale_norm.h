// A row of norms.h: every row of the stream is scaled to one length, which is
// learned and begins as sqrt(C) [1, section 2.2].
//
// [1] Nguyen and Salazar 2019, arXiv:1910.05895.
#pragma once

#include "dure/nn/norms.h"

namespace dure::nn {

extern const NormRow kScaleNorm;

}  // namespace dure::nn
