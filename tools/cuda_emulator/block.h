// The threads of one block of a kernel, each a fiber.
//
// A fiber runs until it waits at a barrier of its block or of its warp; the
// next one is drawn at random from those that can run. Blocks of a grid run one
// after another, in random order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>
#include <vector_types.h>

#include "tools/cuda_emulator/random.h"

namespace cuda_emulator {

inline constexpr unsigned kWarpSize = 32;

// A fault of a kernel: text with kernel, block and thread.
class KernelFault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Launch {
  const char* kernel = "";
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;  // dynamic shared memory
};

// Where a thread of a kernel is.
struct Place {
  uint3 thread;
  uint3 block;
  dim3 threads;
  dim3 blocks;
  unsigned rank = 0;  // of the thread within its block
};

// What the lanes of a warp show one another at a barrier.
struct LaneValue {
  std::uint64_t bits = 0;
  bool is_there = false;  // whether the lane takes part
};

// What a lane learns from the values of all 32 lanes. `own` is its lane.
using Combine = std::uint64_t (*)(const LaneValue* lanes,
                                  unsigned own,
                                  std::uint64_t argument);

// A lane's call of a function that all lanes of its mask call together.
struct WarpCall {
  const char* name = "";
  unsigned mask = 0;
  std::uint64_t bits = 0;
  Combine combine = nullptr;
  std::uint64_t argument = 0;
  // The lane whose value this one reads; kWarpSize: none alone.
  unsigned reads = kWarpSize;
};

// For the running thread of a kernel:
const Place& place();
void block_barrier();
// Waits for all lanes of call.mask, and returns what the lane learns.
std::uint64_t warp_barrier(const WarpCall& call);
// The block's dynamic shared memory.
void* shared_memory();
// Ends the kernel with a fault of this thread.
[[noreturn]] void fault(const std::string& what);
// The place of the running thread in words; empty outside kernels.
std::string describe_place();

// Runs grids, one at a time. It keeps its fibers between grids.
class BlockRunner {
 public:
  BlockRunner();
  BlockRunner(const BlockRunner&) = delete;
  BlockRunner& operator=(const BlockRunner&) = delete;
  ~BlockRunner();

  // Calls `thread` once for each thread of the grid. Throws KernelFault.
  void run(const Launch& launch,
           const std::function<void()>& thread,
           Random& random);

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cuda_emulator
