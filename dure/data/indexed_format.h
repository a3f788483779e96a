// The constants of the .idx layout, which reader and writer share. The drawing
// is in indexed_writer.cpp.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace dure::data {

static_assert(std::endian::native == std::endian::little,
              "the files are little-endian and are mapped as they are");

inline constexpr std::array<char, 9> kIndexMagic = {
    'M', 'M', 'I', 'D', 'I', 'D', 'X', '\0', '\0'};
inline constexpr std::uint64_t kIndexVersion = 1;

inline constexpr std::size_t kVersionAt = 9;
inline constexpr std::size_t kTypeAt = 17;
inline constexpr std::size_t kSequencesAt = 18;
inline constexpr std::size_t kDocumentsAt = 26;
inline constexpr std::size_t kLengthsAt = 34;  // the header ends here

// The fields are not aligned: the header has 34 bytes.
template <typename T>
T load_unaligned(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace dure::data
