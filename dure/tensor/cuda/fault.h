// A kernel's finding that its data is wrong. The host reads it when it waits.
//
// A CPU's operation throws where it meets a number that is out of range. A
// kernel cannot throw: the first thread that meets one writes it here, and the
// queue's next synchronize() throws.
#pragma once

#include <cstdint>

namespace dure {

// It is in pinned memory of the host, one for each queue.
struct DeviceFault {
  // Which number it is, as an operation names it; null: there is no fault. A
  // name is a constant of the host's code, passed to the kernel.
  unsigned long long what = 0;
  long long value = 0;
  long long index = 0;  // of the number in its tensor
  long long below = 0;  // it must be in [0, below)
};

}  // namespace dure
