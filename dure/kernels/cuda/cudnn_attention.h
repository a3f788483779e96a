// Attention by cuDNN, for what it knows on the stream's device.
//
// The plans of a problem are kept with the stream. cuDNN's deterministic
// backward may want memory for a gradient of every score: a problem is then
// run in parts, one after another, each within kMostCudnnWorkspace bytes. All
// memory is the stream's own and is taken when it is first asked for.
#pragma once

#include "dure/kernels/attention.h"

namespace dure::kernels {

inline constexpr std::size_t kMostCudnnWorkspace = std::size_t{1} << 30;

// Launches the operation, or returns false and has launched nothing.
bool run_by_cudnn(Stream& stream, const Attention& op);
bool run_by_cudnn(Stream& stream, const AttentionBackward& op);

}  // namespace dure::kernels
