// Random numbers that make the emulator's choices.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cuda_emulator {

// SplitMix64 [Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom Number
// Generators"].
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }

  // 0 .. bound - 1
  std::size_t below(std::size_t bound) { return next() % bound; }

 private:
  std::uint64_t state_;
};

// Fills memory that nobody has written: with NaN, with large and with small
// numbers, with zeros or with random bits, as the generator decides.
void fill_with_garbage(void* first, std::size_t bytes, Random& random);

}  // namespace cuda_emulator
