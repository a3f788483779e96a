#include "dure/tensor/profiler_range.h"

#include <nvtx3/nvToolsExt.h>

namespace dure {

ProfilerRange::ProfilerRange(const char* name) {
  nvtxRangePushA(name);
}

ProfilerRange::~ProfilerRange() {
  nvtxRangePop();
}

}  // namespace dure
