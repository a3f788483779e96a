// Counter-based random numbers: Philox4x32-10 [1].
//
// A number is a pure function of (seed, stream name, major, index). Nothing is
// advanced, so a shard that draws elements 100..199 of a tensor draws exactly
// what one rank drawing all of them would, in any order, on any thread.
//
// [1] Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3".
// [2] Box and Muller 1958, "A Note on the Generation of Random Normal
// Deviates".
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace dure {

using PhiloxKey = std::array<std::uint32_t, 2>;
using PhiloxBlock = std::array<std::uint32_t, 4>;

// Ten rounds of the bijection of the counter under the key [1, section 3.3].
PhiloxBlock philox(PhiloxBlock counter, PhiloxKey key);

// A named stream of numbers. Trivially copyable; use from any thread.
//
// `major` separates uses of one stream, such as training steps; `index` is the
// global index of the element.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::string_view name);

  // 32 random bits: word index % 4 of block index / 4.
  std::uint32_t bits(std::uint64_t index, std::uint64_t major = 0) const;

  // In [0, 1), a multiple of 2^-24.
  float uniform(std::uint64_t index, std::uint64_t major = 0) const;

  // Standard normal, by the Box-Muller transform [2] of two words of one block:
  // at most 5.77 from 0. It uses only sums, products, quotients and roots of
  // f32, each rounded as IEEE 754 says, so all machines get the same bits.
  float normal(std::uint64_t index, std::uint64_t major = 0) const;

  // normal() of first_index, first_index + 1, ..., several times faster.
  void normals(std::uint64_t first_index,
               std::span<float> values,
               std::uint64_t major = 0) const;

  // 0 .. bound - 1, without bias (Lemire's method, rejecting along `major`).
  std::uint64_t below(std::uint64_t bound, std::uint64_t index) const;

  // The words of four neighbouring indices at once.
  PhiloxBlock block(std::uint64_t block, std::uint64_t major) const;

  // Turns a word into the number that uniform() returns.
  static float to_unit(std::uint32_t bits);

  PhiloxKey key() const { return key_; }

 private:
  PhiloxKey key_;
};

}  // namespace dure
