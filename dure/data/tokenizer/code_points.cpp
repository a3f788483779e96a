#include "dure/data/tokenizer/code_points.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <cstring>

namespace dure::data {
namespace {

constexpr char32_t kEnd = 0x110000;

// A bit for each block of 64 code points, which share all bytes of UTF-8 but
// the last: whether a character of the block has changed.
using Blocks = std::bitset<(kEnd >> 6)>;

const Blocks& changed_blocks() {
  static const Blocks blocks = [] {
    Blocks b;
    for (const CodePoints& range : changed_since_unicode_14()) {
      for (char32_t block = range.first >> 6; block <= range.last >> 6;
           ++block) {
        b.set(block);
      }
    }
    return b;
  }();
  return blocks;
}

template <typename Wanted>
std::vector<CodePoints> ranges_where(const Wanted& wanted) {
  const auto runs = category_runs();
  std::vector<CodePoints> ranges;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    // No text has surrogates, and no pattern may.
    if (runs[i].category == Category::kCs || !wanted(runs[i].category)) {
      continue;
    }
    const char32_t end = i + 1 < runs.size() ? runs[i + 1].first : kEnd;
    if (!ranges.empty() && ranges.back().last + 1 == runs[i].first) {
      ranges.back().last = end - 1;
    } else {
      ranges.push_back({runs[i].first, end - 1});
    }
  }
  return ranges;
}

bool contains(std::span<const Category> categories, Category category) {
  return std::find(categories.begin(), categories.end(), category) !=
         categories.end();
}

// Unicode's White_Space.
constexpr std::array<std::string_view, 25> kSpaces = {
    "\t",           "\n",           "\v",
    "\f",           "\r",           " ",
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80",
    "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82",
    "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85",
    "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88",
    "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
    "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f",
    "\xe3\x80\x80"};

}  // namespace

std::size_t spaces_at_begin(std::string_view text) {
  std::size_t bytes = 0;
  const auto space = [&](std::string_view s) {
    return text.substr(bytes).starts_with(s);
  };
  for (auto found = std::find_if(kSpaces.begin(), kSpaces.end(), space);
       found != kSpaces.end();
       found = std::find_if(kSpaces.begin(), kSpaces.end(), space)) {
    bytes += found->size();
  }
  return bytes;
}

std::size_t spaces_at_end(std::string_view text) {
  std::size_t bytes = 0;
  const auto space = [&](std::string_view s) {
    return text.substr(0, text.size() - bytes).ends_with(s);
  };
  for (auto found = std::find_if(kSpaces.begin(), kSpaces.end(), space);
       found != kSpaces.end();
       found = std::find_if(kSpaces.begin(), kSpaces.end(), space)) {
    bytes += found->size();
  }
  return bytes;
}

Character character_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[at + i]));
  };
  const char32_t first = byte(0);
  if (first < 0x80) {
    return {first, 1};
  }
  if (first < 0xe0) {
    return {(first & 0x1f) << 6 | (byte(1) & 0x3f), 2};
  }
  if (first < 0xf0) {
    return {(first & 0xf) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), 3};
  }
  return {(first & 7) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 |
              (byte(3) & 0x3f),
          4};
}

void append_utf8(char32_t code, std::string& text) {
  const auto more = [&](int shift) {
    text += static_cast<char>(0x80 | (code >> shift & 0x3f));
  };
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xc0 | code >> 6);
    more(0);
  } else if (code < 0x10000) {
    text += static_cast<char>(0xe0 | code >> 12);
    more(6);
    more(0);
  } else {
    text += static_cast<char>(0xf0 | code >> 18);
    more(12);
    more(6);
    more(0);
  }
}

std::size_t skip_ascii(std::string_view text, std::size_t at) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    if ((word & kHighBits) != 0) {
      break;
    }
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) {
    ++at;
  }
  return at;
}

bool holds(std::span<const CodePoints> ranges, char32_t code) {
  const auto after = std::upper_bound(
      ranges.begin(), ranges.end(), code, [](char32_t c, const CodePoints& r) {
        return c < r.first;
      });
  return after != ranges.begin() && code <= std::prev(after)->last;
}

Category category_of(char32_t code) {
  const auto runs = category_runs();
  const auto after = std::upper_bound(
      runs.begin(), runs.end(), code, [](char32_t c, const CategoryRun& r) {
        return c < r.first;
      });
  return std::prev(after)->category;
}

bool is_word_character(char32_t code) {
  // These are circled and squared letters, and the two joiners.
  static constexpr std::array<CodePoints, 5> kOthers = {{{0x200c, 0x200d},
                                                         {0x24b6, 0x24e9},
                                                         {0x1f130, 0x1f149},
                                                         {0x1f150, 0x1f169},
                                                         {0x1f170, 0x1f189}}};
  const Category category = category_of(code);
  return category <= Category::kNl || category == Category::kPc ||
         holds(kOthers, code);
}

std::vector<CodePoints> ranges_of(std::span<const Category> categories) {
  return ranges_where([&](Category c) { return contains(categories, c); });
}

std::vector<CodePoints> ranges_without(std::span<const Category> categories) {
  return ranges_where([&](Category c) { return !contains(categories, c); });
}

bool has_changed_characters(std::string_view text) {
  const Blocks& blocks = changed_blocks();
  const auto byte = [&](std::size_t at) {
    return static_cast<unsigned char>(text[at]);
  };
  for (std::size_t at = skip_ascii(text, 0); at < text.size();) {
    const unsigned lead = byte(at);
    if (lead < 0x80) {
      at = skip_ascii(text, at);
    } else if (lead < 0xe0) {  // below U+0800 none has changed
      at += 2;
    } else {
      const std::size_t bytes = lead < 0xf0 ? 3 : 4;
      const std::size_t block =
          bytes == 3 ? (lead & 0xf) << 6 | (byte(at + 1) & 0x3f)
                     : (lead & 7) << 12 | (byte(at + 1) & 0x3f) << 6 |
                           (byte(at + 2) & 0x3f);
      if (blocks[block] &&
          holds(changed_since_unicode_14(), character_at(text, at).code)) {
        return true;
      }
      at += bytes;
    }
  }
  return false;
}

}  // namespace dure::data
