#include "dure/base/random.h"

#include <cmath>
#include <numbers>

namespace dure {
namespace {

constexpr std::uint32_t kMultiplier0 = 0xD2511F53U;  // [1, table 2]
constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57U;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;  // golden ratio
constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;  // sqrt(3) - 1
constexpr int kRounds = 10;

std::uint32_t high(std::uint64_t product) {
  return static_cast<std::uint32_t>(product >> 32);
}
std::uint32_t low(std::uint64_t product) {
  return static_cast<std::uint32_t>(product);
}

// FNV-1a, then a finalizer, so that near names have far keys. A fixed function:
// runs must draw the same numbers on every machine and in every version.
std::uint64_t hash_name(std::string_view name, std::uint64_t seed) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  }
  hash ^= seed * 0x9E3779B97F4A7C15ULL;
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9ULL;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBULL;
  return hash ^ (hash >> 31);
}

}  // namespace

PhiloxBlock philox(PhiloxBlock counter, PhiloxKey key) {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t p0 = std::uint64_t{kMultiplier0} * counter[0];
    const std::uint64_t p1 = std::uint64_t{kMultiplier1} * counter[2];
    counter = {high(p1) ^ counter[1] ^ key[0],
               low(p1),
               high(p0) ^ counter[3] ^ key[1],
               low(p0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

// 24 bits, so that the product is exact in a float.
float RandomStream::to_unit(std::uint32_t bits) {
  return static_cast<float>(bits >> 8) * 0x1p-24F;
}

RandomStream::RandomStream(std::uint64_t seed, std::string_view name) {
  const std::uint64_t hash = hash_name(name, seed);
  key_ = {low(hash), high(hash)};
}

PhiloxBlock RandomStream::block(std::uint64_t block,
                                std::uint64_t major) const {
  return philox({low(block), high(block), low(major), high(major)}, key_);
}

std::uint32_t RandomStream::bits(std::uint64_t index,
                                 std::uint64_t major) const {
  return block(index / 4, major)[index % 4];
}

float RandomStream::uniform(std::uint64_t index, std::uint64_t major) const {
  return to_unit(bits(index, major));
}

float RandomStream::normal(std::uint64_t index, std::uint64_t major) const {
  const PhiloxBlock words = block(index / 4, major);
  const std::size_t pair = index % 4 / 2 * 2;
  const float radius =
      std::sqrt(-2.0F * std::log(1.0F - to_unit(words[pair])));  // in (0, 1]
  const float angle =
      2.0F * std::numbers::pi_v<float> * to_unit(words[pair + 1]);
  return radius * (index % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

std::uint64_t RandomStream::below(std::uint64_t bound,
                                  std::uint64_t index) const {
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t reject_below = (0 - bound) % bound;
  for (std::uint64_t major = 0;; ++major) {
    const PhiloxBlock words = block(index, major);
    for (std::size_t pair : {0, 2}) {
      const std::uint64_t draw = words[pair] | std::uint64_t{words[pair + 1]}
                                                   << 32;
      const Wide product = static_cast<Wide>(draw) * bound;
      if (static_cast<std::uint64_t>(product) >= reject_below) {
        return static_cast<std::uint64_t>(product >> 64);
      }
    }
  }
}

}  // namespace dure
