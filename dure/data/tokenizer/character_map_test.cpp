#include "dure/data/tokenizer/character_map.h"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/files.h"

namespace dure::data {
namespace {

// SentencePiece made the table: RULES in tools/golden/make_pipeline_golden.py.
std::string table() {
  const auto file = nlohmann::json::parse(
      read_file("tests/golden/tokenizer/pipelines/t5/tokenizer.json"));
  return from_base64(
      file["normalizer"]["normalizers"][0]["precompiled_charsmap"]
          .get<std::string>());
}

TEST(CharacterMap, MapsWhatItHoldsAndLeavesTheRest) {
  const CharacterMap map(table());
  EXPECT_EQ(map.apply("\xef\xac\x81nd\t\xe2\x91\xa0"), "find 1");
  EXPECT_EQ(map.apply("x\xe2\x80\x8by"), "xy");
  EXPECT_EQ(map.apply(""), "");
}

TEST(CharacterMap, LooksALetterUpWithItsMarks) {
  const CharacterMap map(table());
  EXPECT_EQ(map.apply("e\xcc\x81"), "\xc3\xa9");
  EXPECT_EQ(map.apply("\r\n"), " ");
  // "a" is the shortest key that it begins with, and replaces all of it.
  EXPECT_EQ(map.apply("a\xcc\x88"), "b");
  // A letter of six bytes or more is looked up character by character.
  EXPECT_EQ(map.apply("e\xcc\x81\xcc\x81\xcc\x81"),
            "e\xcc\x81\xcc\x81\xcc\x81");
}

TEST(CharacterMap, BrokenTablesAreRefusedOrMapNothing) {
  const std::string bytes = table();
  EXPECT_THROW(CharacterMap(""), Error);
  EXPECT_THROW(CharacterMap(bytes.substr(0, 100)), Error);
  EXPECT_THROW(CharacterMap(std::string(8, '\0')), Error);
  EXPECT_THROW(CharacterMap(bytes + "\xff"), Error);
  for (std::size_t i = 4; i < bytes.size(); ++i) {
    std::string broken = bytes;
    broken[i] = static_cast<char>(~broken[i]);
    try {
      CharacterMap(broken).apply("a\xef\xac\x81\xc2\xbd\r\n");
    } catch (const Error&) {
    }
  }
}

TEST(CharacterMap, Base64IsReadAndElseRefused) {
  EXPECT_EQ(from_base64("YWJj"), "abc");
  EXPECT_EQ(from_base64("YWI="), "ab");
  EXPECT_EQ(from_base64("/+8="), "\xff\xef");
  EXPECT_EQ(from_base64(""), "");
  EXPECT_THROW(from_base64("YW Jj"), Error);
}

}  // namespace
}  // namespace dure::data
