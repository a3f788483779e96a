// The time of what is launched on a stream, by the device's own clock.
#pragma once

#include "dure/base/trace.h"
#include "dure/tensor/stream.h"

namespace dure::roofline {

// On a GPU, launches follow one another there while the host is ahead of them.
template <typename Launches>
double seconds_of(Stream& stream, const Launches& launches) {
  if (stream.device() != Device::kCuda) {
    const double start = monotonic_seconds();
    launches();
    return monotonic_seconds() - start;
  }
  Trace trace;
  const Event start = stream.queue().mark();
  launches();
  stream.queue().trace_since(start, trace, {.name = "launches"});
  stream.synchronize();
  return trace.events().back().seconds;
}

}  // namespace dure::roofline
