// base/random.h's generator in device code: the same words, bit for bit.
#pragma once

#include <cstdint>

#include "dure/base/random.h"

namespace dure::kernels {

struct Words {
  std::uint32_t of[4];
};

// RandomStream::block() of the stream with this key.
__device__ inline Words philox_block(PhiloxKey key,
                                     std::uint64_t block,
                                     std::uint64_t major) {
  Words c = {{static_cast<std::uint32_t>(block),
              static_cast<std::uint32_t>(block >> 32),
              static_cast<std::uint32_t>(major),
              static_cast<std::uint32_t>(major >> 32)}};
  std::uint32_t key0 = key[0];
  std::uint32_t key1 = key[1];
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * c.of[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * c.of[2];
    c = {{static_cast<std::uint32_t>(p1 >> 32) ^ c.of[1] ^ key0,
          static_cast<std::uint32_t>(p1),
          static_cast<std::uint32_t>(p0 >> 32) ^ c.of[3] ^ key1,
          static_cast<std::uint32_t>(p0)}};
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return c;
}

// RandomStream::bits() of one index.
__device__ inline std::uint32_t philox_word(PhiloxKey key,
                                            std::uint64_t index,
                                            std::uint64_t major) {
  return philox_block(key, index / 4, major).of[index % 4];
}

}  // namespace dure::kernels
