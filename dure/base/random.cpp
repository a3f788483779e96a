#include "dure/base/random.h"

#include <algorithm>
#include <bit>
#include <cmath>

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

// FNV-1a and a finalizer, so that near names have far keys. The function is
// fixed: runs must draw the same numbers on every machine and in every version.
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

// Two independent normal numbers.
struct NormalPair {
  float first;
  float second;
};

// -2 log(k / 2^24) for k in 1 .. 2^24. With k = 2^e m, m in [sqrt(1/2),
// sqrt(2)), it uses log(m) = 2 (s + s^3/3 + s^5/5 + ...), s = (m - 1) / (m +
// 1), |s| < 0.172; the terms after s^9 are below 2^-28 of the sum.
float minus_two_log(std::uint32_t k) {
  constexpr std::int32_t kRootHalf = 0x3F3504F3;  // the bits of sqrt(1/2)
  constexpr float kLog2 = 0.693147181F;
  const auto bits = std::bit_cast<std::int32_t>(
      static_cast<float>(static_cast<std::int32_t>(k)));
  const std::int32_t e = (bits - kRootHalf) >> 23;
  const auto m = std::bit_cast<float>(bits - (e << 23));
  const float s = (m - 1.0F) / (m + 1.0F);
  const float z = s * s;
  float series = 1.0F / 9;
  series = series * z + 1.0F / 7;
  series = series * z + 1.0F / 5;
  series = series * z + 1.0F / 3;
  series = series * z + 1.0F;
  const float log_m = 2.0F * s * series;
  return -2.0F * (static_cast<float>(e - 24) * kLog2 + log_m);
}

float select(std::uint32_t mask, float a, float b) {
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(a) & mask) |
                              (std::bit_cast<std::uint32_t>(b) & ~mask));
}

float flip_sign(float x, std::uint32_t sign) {
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) ^ sign);
}

// Cosine and sine of w / 2^24 of a turn. The rest after the nearest quarter
// turn q, at most pi/4, goes into their Taylor series (off by 2^-25).
NormalPair cosine_sine(std::uint32_t w) {
  constexpr float kRadians = 3.74507028e-7F;  // 2 pi / 2^24
  const std::uint32_t q = (w + (1U << 21)) >> 22;
  const auto rest = static_cast<std::int32_t>(w - (q << 22));
  const float t = static_cast<float>(rest) * kRadians;
  const float z = t * t;
  float sine = 1.0F / 362880;
  sine = sine * z - 1.0F / 5040;
  sine = sine * z + 1.0F / 120;
  sine = sine * z - 1.0F / 6;
  sine = t * (sine * z + 1.0F);
  float cosine = 1.0F / 40320;
  cosine = cosine * z - 1.0F / 720;
  cosine = cosine * z + 1.0F / 24;
  cosine = cosine * z - 1.0F / 2;
  cosine = cosine * z + 1.0F;
  const std::uint32_t odd = 0U - (q & 1);
  return {flip_sign(select(odd, sine, cosine), ((q + 1) & 2) << 30),
          flip_sign(select(odd, cosine, sine), (q & 2) << 30)};
}

// Implements [2, eq. 2]. It is built without contraction to fused products,
// whose bits would differ (see CMakeLists.txt).
NormalPair box_muller(std::uint32_t word0, std::uint32_t word1) {
  const float radius = std::sqrt(minus_two_log((1U << 24) - (word0 >> 8)));
  const NormalPair turn = cosine_sine(word1 >> 8);
  return {radius * turn.first, radius * turn.second};
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

// Access 24 bits, so that the product is exact in a float.
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
  const NormalPair normals = box_muller(words[pair], words[pair + 1]);
  return index % 2 == 0 ? normals.first : normals.second;
}

// Makes whole tiles of blocks, in loops that the compiler vectorizes.
void RandomStream::normals(std::uint64_t first_index,
                           std::span<float> values,
                           std::uint64_t major) const {
  constexpr std::size_t kBlocks = 64;
  std::uint32_t word0[2 * kBlocks];
  std::uint32_t word1[2 * kBlocks];
  float tile[4 * kBlocks];
  std::uint64_t at = first_index / 4;
  std::size_t skip = first_index % 4;
  for (std::size_t done = 0; done < values.size(); at += kBlocks) {
    for (std::size_t b = 0; b < kBlocks; ++b) {
      const PhiloxBlock words = block(at + b, major);
      word0[2 * b] = words[0];
      word1[2 * b] = words[1];
      word0[2 * b + 1] = words[2];
      word1[2 * b + 1] = words[3];
    }
    for (std::size_t pair = 0; pair < 2 * kBlocks; ++pair) {
      const NormalPair normals = box_muller(word0[pair], word1[pair]);
      tile[2 * pair] = normals.first;
      tile[2 * pair + 1] = normals.second;
    }
    const std::size_t count =
        std::min(4 * kBlocks - skip, values.size() - done);
    std::copy_n(tile + skip, count, values.begin() + done);
    done += count;
    skip = 0;
  }
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
