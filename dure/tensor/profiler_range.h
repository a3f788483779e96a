// Names for NVIDIA's profilers.
#pragma once

namespace dure {

// The profiler shows under this name whatever the host launches while it lives
// (NVTX). Without a profiler it costs a call. Without CUDA in the build there
// is none.
class ProfilerRange {
 public:
  explicit ProfilerRange(const char* name);
  ProfilerRange(const ProfilerRange&) = delete;
  ProfilerRange& operator=(const ProfilerRange&) = delete;
  ~ProfilerRange();
};

}  // namespace dure
