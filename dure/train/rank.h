// One rank: a stream and an arena on a device.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dure/nn/context.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::train {

struct RankOptions {
  Device device = Device::kCpu;
  std::size_t limit_bytes = 0;  // of the arena; 0: what the machine has
  DeviceRates rates = {};       // of a simulated device
};

struct Rank {
  explicit Rank(const RankOptions& options)
      : stream(options.device, options.rates),
        arena({.device = options.device, .limit_bytes = options.limit_bytes}) {}

  nn::Context context(std::uint64_t seed) {
    return {.stream = stream, .arena = arena, .seed = seed};
  }

  Stream stream;
  Arena arena;
};

}  // namespace dure::train
