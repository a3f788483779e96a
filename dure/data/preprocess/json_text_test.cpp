#include "dure/data/preprocess/json_text.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/data/test_files.h"

namespace dure::data {
namespace {

using testing::HasSubstr;

std::string text_of(const std::string& line, const std::string& key = "text") {
  JsonText json(key);
  const std::string padded = line + std::string(JsonText::kPadding, '"');
  return std::string(
      json.text(std::string_view(padded).substr(0, line.size())));
}

std::string error(const std::string& line) {
  return error_of([&] { text_of(line); });
}

TEST(JsonText, UnescapesTheString) {
  EXPECT_EQ(text_of(R"({"text": "a\n\t\"\\\/\u00e9\ud83d\ude00"})"),
            "a\n\t\"\\/\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(text_of(R"({"text": "두레"})"), "두레");
  EXPECT_EQ(text_of(R"({"text":"\u0000"})"), std::string(1, '\0'));
  EXPECT_EQ(text_of(R"(  {"text": ""} )"
                    "\r"),
            "");
}

TEST(JsonText, PassesOtherKeysOver) {
  EXPECT_EQ(text_of(R"({"id": 123456789012345678901234567890, "meta":
                        {"text": "no", "list": [1, {"text": "no"}]},
                        "text": "yes", "after": null})"),
            "yes");
  EXPECT_EQ(text_of(R"({"a": "1", "b": "2"})", "b"), "2");
  EXPECT_EQ(text_of(R"({"t\u0065xt": "escaped key"})"), "escaped key");
}

TEST(JsonText, SaysWhatIsWrongWithALine) {
  EXPECT_THAT(error(R"({"body": "x"})"), HasSubstr("no key \"text\""));
  EXPECT_THAT(error("{}"), HasSubstr("no key \"text\""));
  EXPECT_THAT(error(R"({"text": 5})"), HasSubstr("another type"));
  EXPECT_THAT(error(R"({"text": null})"), HasSubstr("another type"));
  EXPECT_THAT(error(R"(["text"])"), HasSubstr("another type"));
  EXPECT_THAT(error("\"text\""), HasSubstr("another type"));
  EXPECT_THAT(error(R"({"text": "x")"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error(R"({"text": "x)"), HasSubstr("not closed"));
  EXPECT_THAT(error(R"({"text": "x"} {})"), HasSubstr("something follows"));
  EXPECT_THAT(error(R"({"text": "x",, "a": 1})"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error("{\"text\": \"\xFF\"}"), HasSubstr("UTF-8"));
  EXPECT_THAT(error(R"({"text": "\ud800"})"), HasSubstr("surrogate"));
  EXPECT_THAT(error("plain text"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error(""), HasSubstr("not valid JSON"));
}

TEST(JsonText, IsUsedAgainAfterAnError) {
  JsonText json("text");
  const std::string bad = "{" + std::string(JsonText::kPadding, ' ');
  EXPECT_THROW(json.text(std::string_view(bad).substr(0, 1)), Error);
  const std::string good =
      R"({"text": "x"})" + std::string(JsonText::kPadding, ' ');
  EXPECT_EQ(json.text(std::string_view(good).substr(0, 13)), "x");
}

}  // namespace
}  // namespace dure::data
