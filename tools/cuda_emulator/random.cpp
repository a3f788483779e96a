#include "tools/cuda_emulator/random.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace cuda_emulator {

void fill_with_garbage(void* first, std::size_t bytes, Random& random) {
  constexpr std::uint64_t kPatterns[] = {
      0xFFFFFFFFFFFFFFFFU,  // NaN of all types, -1
      0x7F7F7F7F7F7F7F7FU,  // 3.4e38 as f32 and bf16
      0x7BFF7BFF7BFF7BFFU,  // 65504 as f16
      0x3F8000003F800000U,  // 1 as f32
      0,
  };
  const std::size_t kind = random.below(std::size(kPatterns) + 1);
  auto* to = static_cast<unsigned char*>(first);
  for (std::size_t at = 0; at < bytes; at += sizeof(std::uint64_t)) {
    const std::uint64_t word =
        kind < std::size(kPatterns) ? kPatterns[kind] : random.next();
    std::memcpy(to + at, &word, std::min(sizeof word, bytes - at));
  }
}

}  // namespace cuda_emulator
