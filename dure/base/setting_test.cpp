#include "dure/base/setting.h"

#include <algorithm>
#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Setting only(std::string_view text) {
  const auto settings = parse_settings(text, "a.toml");
  EXPECT_EQ(settings.size(), 1U);
  return settings.at(0);
}

template <typename T>
T value_of(const Setting& setting) {
  return std::get<T>(setting.value);
}

std::string usage_error(const std::string& text) {
  try {
    parse_settings(text, "a.toml");
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(Settings, KnowTheirKeyValueAndLine) {
  const Setting setting = only("\n[train]\n\nsteps = 12\n");
  EXPECT_EQ(setting.key, "train.steps");
  EXPECT_EQ(value_of<std::int64_t>(setting), 12);
  EXPECT_EQ(setting.text, "12");
  EXPECT_EQ(setting.where, "a.toml:4");
}

TEST(Settings, KeepTheKindOfTheirValue) {
  EXPECT_EQ(value_of<bool>(only("[a]\nb = true")), true);
  EXPECT_EQ(value_of<double>(only("[a]\nb = 1e-5")), 1e-5);
  EXPECT_EQ(value_of<std::string>(only("[a]\nb = 'x'")), "x");
  EXPECT_EQ(value_of<Setting::List>(only("[a]\nb = [1, 'x']")).size(), 2U);
  EXPECT_NO_THROW(value_of<Setting::Other>(only("[a.b]\nc = 1")));
  EXPECT_NO_THROW(value_of<Setting::Other>(only("[a]\nb = 2020-01-01")));
  EXPECT_NO_THROW(value_of<Setting::Other>(only("[a]\nb = [[1]]")));
}

TEST(Settings, OutsideASectionHaveAKeyWithoutOne) {
  EXPECT_EQ(only("steps = 1").key, "steps");
}

TEST(Settings, ShowALongValueShortened) {
  const Setting setting = only("[a]\nb = '" + std::string(1000, 'x') + "'");
  EXPECT_LT(setting.text.size(), 100U);
  EXPECT_EQ(value_of<std::string>(setting).size(), 1000U);
}

TEST(Settings, NameTheLineThatIsNotToml) {
  EXPECT_THAT(usage_error("[a]\nb = \n"), StartsWith("a.toml:2: not TOML: "));
  EXPECT_THAT(usage_error("[a]\nb = 1\nb = 2\n"), StartsWith("a.toml:3:"));
  EXPECT_THAT(usage_error("[a]\nb = '\xFF'\n"), HasSubstr("not TOML"));
}

TEST(SetArgument, TakesTomlOrABareWord) {
  EXPECT_EQ(value_of<std::int64_t>(parse_set_argument("a.b=3")), 3);
  EXPECT_EQ(value_of<std::string>(parse_set_argument("a.b=\"x y\"")), "x y");
  EXPECT_EQ(value_of<std::string>(parse_set_argument("a.b=gpt2-124m")),
            "gpt2-124m");
  EXPECT_EQ(value_of<std::string>(parse_set_argument("a.b=x=y")), "x=y");
  EXPECT_EQ(value_of<std::string>(parse_set_argument("a.b=")), "");
  EXPECT_EQ(value_of<Setting::List>(parse_set_argument("a.b=[1, 2]")).size(),
            2U);
}

TEST(SetArgument, IsOneValueWhateverItHolds) {
  EXPECT_EQ(value_of<std::string>(parse_set_argument("a.b=1\nc = 2")),
            "1\nc = 2");
}

TEST(SetArgument, NeedsAKeyAndAValue) {
  EXPECT_THROW(parse_set_argument("train.steps"), UsageError);
  EXPECT_THROW(parse_set_argument("=3"), UsageError);
  EXPECT_THROW(parse_set_argument("a.b=\xFF\xFE"), UsageError);
}

TEST(Quote, IsReadBackByToml) {
  const std::string text = "a\"b\\c\n\t\x01\x7F 두레";
  EXPECT_EQ(value_of<std::string>(only("[a]\nb = " + quote(text))), text);
}

}  // namespace
}  // namespace dure
