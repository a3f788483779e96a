// Attention by the kernels of this folder, which know every pattern.
#pragma once

#include "dure/kernels/attention.h"

namespace dure::kernels {

void run_by_kernels(Stream& stream, const Attention& op);
void run_by_kernels(Stream& stream, const AttentionBackward& op);

}  // namespace dure::kernels
