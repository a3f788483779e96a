// A cache of the ids of recent words, which are most words of a text.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace dure::data {

// Direct-mapped: a word has one place and evicts the word there. An entry is
// one cache line; there is 1 MiB in all. Longer words are not kept. Each thread
// has its own.
class WordCache {
 public:
  static constexpr std::size_t kWordBytes = 24;
  static constexpr std::size_t kIds = 9;

  struct Key {
    std::array<std::uint64_t, kWordBytes / 8> text;  // padded with zeros
    std::uint64_t hash;
    std::uint8_t bytes;
  };

  struct alignas(64) Entry {
    std::array<std::uint64_t, kWordBytes / 8> text{};
    std::array<std::int32_t, kIds> ids{};
    std::uint8_t bytes = 0;  // 0: free, as no word is empty
    std::uint8_t count = 0;

    bool holds(const Key& key) const {
      return bytes == key.bytes && text == key.text;
    }
  };

  WordCache() : entries_(kEntries) {}

  static bool fits(std::string_view word) { return word.size() <= kWordBytes; }

  static Key key(std::string_view word) {
    Key key{};
    std::memcpy(key.text.data(), word.data(), word.size());
    key.bytes = static_cast<std::uint8_t>(word.size());
    // Odd constants without structure (fractional digits of e and pi).
    std::uint64_t h = key.text[0] * 0xb7e151628aed2a6b;
    h = (h ^ h >> 32 ^ key.text[1]) * 0x243f6a8885a308d3;
    h = (h ^ h >> 32 ^ key.text[2]) * 0xb7e151628aed2a6b;
    key.hash = h >> 40;
    return key;
  }

  Entry& at(const Key& key) { return entries_[key.hash & (kEntries - 1)]; }

  static void keep(Entry& entry,
                   const Key& key,
                   std::span<const std::int32_t> ids) {
    if (ids.size() <= kIds) {
      entry.text = key.text;
      entry.bytes = key.bytes;
      entry.count = static_cast<std::uint8_t>(ids.size());
      std::copy(ids.begin(), ids.end(), entry.ids.begin());
    }
  }

 private:
  static constexpr std::size_t kEntries = 1 << 14;

  std::vector<Entry> entries_;
};

static_assert(sizeof(WordCache::Entry) == 64);

}  // namespace dure::data
