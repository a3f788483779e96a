#include "dure/data/tokenizer/byte_level.h"

#include <set>

#include <gtest/gtest.h>

namespace dure::data {
namespace {

TEST(ByteLevel, SpaceAndNewlineAreTheKnownCharacters) {
  EXPECT_EQ(to_byte_level(" a\n"),
            "\xc4\xa0"  // U+0120
            "a"
            "\xc4\x8a");  // U+010A
}

TEST(ByteLevel, EveryByteHasItsOwnCharacterAndComesBack) {
  std::set<std::string> seen;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    const std::string text = to_byte_level(one);
    seen.insert(text);
    EXPECT_EQ(from_byte_level(text), one);
  }
  EXPECT_EQ(seen.size(), 256U);
}

TEST(ByteLevel, TheLastCharacterIsTheSoftHyphens) {
  EXPECT_EQ(byte_level_alphabet()[0xad], 0x143);
  EXPECT_EQ(bytes_in_alphabet_order().front(), '!');
  EXPECT_EQ(bytes_in_alphabet_order().back(), 0xad);
}

TEST(ByteLevel, OtherCharactersStandForNoByte) {
  for (const char* text : {" ",
                           "\n",
                           "\xc2\xad",
                           "\xc5\x84",
                           "\xe2\x96\x81",
                           "a\xc4",
                           "\xc4z",
                           "\xff",
                           "\x80"}) {
    EXPECT_EQ(from_byte_level(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace dure::data
