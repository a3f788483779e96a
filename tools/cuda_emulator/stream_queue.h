// Streams and events of the emulated device, and when their work runs.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>

#include "tools/cuda_emulator/block.h"
#include "tools/cuda_emulator/emulator.h"
#include "tools/cuda_emulator/random.h"
#include "tools/cuda_emulator/sanitizer_fiber.h"

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's
struct CUevent_st {
  std::uint64_t recorded = 0;  // how often the host recorded it
  std::uint64_t reached = 0;   // which of these the streams have passed
  bool is_timed = true;
  double seconds = 0;  // when, on the device's clock
  char edge = 0;
};

struct CUstream_st {
  struct Work {
    std::function<void()> run;    // may be empty
    cudaEvent_t event = nullptr;  // waits until it is reached so often
    std::uint64_t until = 0;
  };
  std::deque<Work> queue;
  cuda_emulator::SanitizerFiber fiber;
  cuda_emulator::BlockRunner blocks;
  char edge = 0;
};
// NOLINTEND(readability-identifier-naming)

namespace cuda_emulator {

// All streams of the process. Each call holds the lock.
class Streams {
 public:
  Streams();

  cudaStream_t make_stream();
  void destroy(cudaStream_t stream);
  cudaEvent_t make_event(bool is_timed);
  void destroy(cudaEvent_t event);

  void enqueue(cudaStream_t stream, std::function<void()> run);
  void wait(cudaStream_t stream, cudaEvent_t event);
  void record(cudaEvent_t event, cudaStream_t stream);

  // Runs work until this one is done; the host then knows of it.
  void synchronize(cudaStream_t stream);
  void synchronize(cudaEvent_t event);
  void synchronize_all();
  // Whether it is done, after some work may have run.
  bool is_done(cudaStream_t stream);
  bool is_done(cudaEvent_t event);

  void set_seed(std::uint64_t seed) {
    seed_ = seed;
    random_ = Random(seed);
  }
  std::uint64_t seed() const { return seed_; }
  Random& random() { return random_; }
  std::recursive_mutex& lock() { return lock_; }

  // The error of a kernel, which every later call returns.
  const std::string& fault() const { return fault_; }
  void set_fault(std::string text) { fault_ = std::move(text); }

 private:
  double clock_seconds() const;
  void run_head(cudaStream_t stream);
  bool can_run(cudaStream_t stream) const;
  void run_some();
  void run_until(cudaStream_t wanted, const std::function<bool()>& done);
  void run_at_once(cudaStream_t stream, CUstream_st::Work work);

  std::recursive_mutex lock_;
  std::uint64_t seed_;
  Random random_;
  Mode mode_;
  double clock_rate_;  // beside the machine's clock
  std::vector<std::unique_ptr<CUstream_st>> streams_;
  std::vector<std::unique_ptr<CUevent_st>> events_;
  std::string fault_;
};

Streams& streams();

}  // namespace cuda_emulator
