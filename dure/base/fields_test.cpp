#include "dure/base/fields.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure {
namespace {

using testing::HasSubstr;

enum class Colour : std::uint8_t { kRed, kGreen };
constexpr Choice<Colour> kColours[] = {{"red", Colour::kRed},
                                       {"green", Colour::kGreen}};

struct Paint {
  Colour colour = Colour::kRed;
  std::int64_t coats = 2;
  double share = 0.5;
  double red = 1;
  double blue = 1;
  bool glossy = false;
  std::string name = "plain";
  std::vector<std::string> files = {};
  std::vector<std::int64_t> ramp = {};
  std::string cut = "even";
  bool operator==(const Paint&) const = default;
};

void visit(Fields& fields, Paint& paint) {
  fields.section("paint", "What it looks like.");
  fields.choice("colour", paint.colour, "The colour.", kColours);
  fields.whole("coats",
               paint.coats,
               "How often.",
               {.least = 1, .most = 9, .automatic = 0});
  fields.number("share",
                paint.share,
                "How much.",
                {.least = 0, .most = 1, .high = End::kExcluded});
  fields.number("red", paint.red, "How red.", {.low = End::kExcluded});
  fields.number("blue", paint.blue, "How blue.", {.low = End::kExcluded});
  fields.for_all("tint", {"red", "blue"}, "How red and how blue.");
  fields.flag("glossy", paint.glossy, "Whether it shines.");
  fields.section("store", "Where it is.");
  fields.text("name", paint.name, "What it is called.");
  fields.texts("files", paint.files, "Where from.");
  fields.wholes("ramp", paint.ramp, "By how much.", {.least = 1});
  fields.text_or_wholes("cut", paint.cut, "Where.");
}

Paint read(const std::string& toml) {
  Paint paint;
  Fields fields;
  visit(fields, paint);
  apply_settings(fields, parse_settings(toml, "p.toml"));
  return paint;
}

Paint with(const std::string& argument) {
  Paint paint;
  Fields fields;
  visit(fields, paint);
  apply_settings(fields, std::vector{parse_set_argument(argument)});
  return paint;
}

std::string error_of(const std::string& toml) {
  try {
    read(toml);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Fields, ReadEveryKind) {
  const Paint paint = read(R"(
[paint]
colour = "green"
coats = 3
share = 0.25
glossy = true
[store]
name = "blue"
files = ["a", "b"]
ramp = [1, 2]
)");
  const Paint expected{.colour = Colour::kGreen,
                       .coats = 3,
                       .share = 0.25,
                       .glossy = true,
                       .name = "blue",
                       .files = {"a", "b"},
                       .ramp = {1, 2}};
  EXPECT_EQ(paint, expected);
}

TEST(Fields, TakeAListOfWholeNumbersAsText) {
  EXPECT_EQ(read("[store]\ncut = [4, 3]").cut, "4,3");
  EXPECT_EQ(read("[store]\ncut = '4,3'").cut, "4,3");
  EXPECT_EQ(read("[store]\ncut = []").cut, "");
  EXPECT_EQ(with("store.cut=[4, 3]").cut, "4,3");
  EXPECT_EQ(with("store.cut=4,3").cut, "4,3");
  EXPECT_EQ(with("store.cut=type:b.*").cut, "type:b.*");
  EXPECT_EQ(error_of("[store]\ncut = [4, 'x']"),
            "p.toml:2: store.cut: wanted a string or a list of whole numbers, "
            "got [ 4, 'x' ]");
  EXPECT_NE(error_of("[store]\ncut = 4"), "no error");
}

TEST(Fields, TakeAWholeNumberAsANumber) {
  EXPECT_EQ(read("[paint]\nshare = 0").share, 0.0);
}

TEST(Fields, TakeOneStringAsAListOfOne) {
  EXPECT_EQ(read("[store]\nfiles = 'a'").files, std::vector<std::string>{"a"});
}

TEST(Fields, TakeAutoWhereItStandsForAValue) {
  EXPECT_EQ(read("[paint]\ncoats = 'auto'").coats, 0);
}

TEST(Fields, TakeBareWordsOfTheCommandLine) {
  EXPECT_EQ(with("paint.colour=green").colour, Colour::kGreen);
  EXPECT_EQ(with("paint.coats=auto").coats, 0);
  EXPECT_EQ(with("store.name=12").name, "12");
  EXPECT_EQ(with("store.files=12").files, std::vector<std::string>{"12"});
  EXPECT_EQ(with("store.files=['a', 'b']").files.size(), 2U);
}

TEST(Fields, NameTheNearestKey) {
  EXPECT_EQ(error_of("[paint]\ncoast = 3"),
            "p.toml:2: unknown key paint.coast; did you mean paint.coats?");
  EXPECT_EQ(error_of("[pain]\ncoats = 3"),
            "p.toml:2: unknown key pain.coats; did you mean paint.coats?");
  EXPECT_EQ(error_of("[store]\nglossy = true"),
            "p.toml:2: unknown key store.glossy; did you mean paint.glossy?");
  EXPECT_EQ(error_of("coats = 3"),
            "p.toml:1: unknown key coats; did you mean paint.coats?");
}

TEST(Fields, SayThatAKeyIsASection) {
  EXPECT_EQ(error_of("paint = 'red'"),
            "p.toml:1: paint is a section, written [paint], got \"red\"");
}

TEST(Fields, SayWhatWasWantedAndWhatCame) {
  EXPECT_EQ(error_of("[paint]\ncoats = 'many'"),
            "p.toml:2: paint.coats: wanted a whole number from 1 to 9, or "
            "\"auto\", got \"many\"");
  EXPECT_EQ(error_of("[paint]\ncolour = 'grene'"),
            "p.toml:2: paint.colour: wanted one of \"red\", \"green\", got "
            "\"grene\"");
  EXPECT_EQ(error_of("[paint]\nshare = 1.0"),
            "p.toml:2: paint.share: wanted a number from 0 to below 1 that f32 "
            "holds, got 1.0");
  EXPECT_EQ(error_of("[paint.colour]\nx = 1"),
            "p.toml:1: paint.colour: wanted one of \"red\", \"green\", got a "
            "table");
}

TEST(Fields, RefuseAnotherKindOfValue) {
  for (const char* line : {"[paint]\ncoats = 3.0",
                           "[paint]\ncoats = true",
                           "[paint]\nglossy = 1",
                           "[paint]\nshare = '0.5'",
                           "[paint]\nshare = inf",
                           "[paint]\nshare = nan",
                           "[paint]\ncolour = 1",
                           "[store]\nname = 3",
                           "[store]\nname = 2020-01-01",
                           "[store]\nfiles = ['a', 1]",
                           "[store]\nramp = [0]",
                           "[store]\nramp = 'x'"}) {
    EXPECT_THAT(error_of(line), HasSubstr(": wanted ")) << line;
  }
}

TEST(Fields, RefuseNumbersThatAreOthersInF32) {
  const auto takes = [](const std::string& line) {
    return error_of("[paint]\n" + line) == "no error";
  };
  for (const char* share : {"1e-320", "1e-50", "1e-39", "0.99999999999"}) {
    EXPECT_FALSE(takes(fmt::format("share = {}", share))) << share;
  }
  EXPECT_FALSE(takes("blue = 1e-46"));
  EXPECT_FALSE(takes("red = 1e39"));
  EXPECT_TRUE(takes("red = 3e38"));
  EXPECT_TRUE(takes("blue = 1.2e-38"));
  EXPECT_TRUE(takes("share = -0.0"));
  EXPECT_THAT(error_of("[paint]\nblue = 1e-50"),
              HasSubstr("p.toml:2: paint.blue: wanted a number above 0 that "
                        "f32 holds, got "));
}

TEST(Fields, OneKeyForSeveralLosesToTheirOwn) {
  const Paint paint = read("[paint]\nblue = 2\ntint = 3");
  EXPECT_EQ(paint.red, 3);
  EXPECT_EQ(paint.blue, 2);
  Paint again;
  Fields fields;
  visit(fields, again);
  std::vector<Setting> settings =
      parse_settings("[paint]\nred = 5\nblue = 6", "p.toml");
  settings.push_back(parse_set_argument("paint.red=1"));
  settings.push_back(parse_set_argument("paint.tint=4"));
  apply_settings(fields, settings);
  EXPECT_EQ(again.red, 1);   // the command line's own
  EXPECT_EQ(again.blue, 4);  // the command line before the file
  EXPECT_EQ(fields.find("paint.blue")->origin, "--set");
  EXPECT_EQ(fields.find("paint.tint")->text(), "4.0");
  EXPECT_EQ(error_of("[paint]\ntint = 0"),
            "p.toml:2: paint.tint: wanted a number above 0 that f32 holds, got "
            "0");
}

TEST(Fields, RememberWhereAValueCameFrom) {
  Paint paint;
  Fields fields;
  visit(fields, paint);
  apply_settings(fields,
                 parse_settings("[paint]\ncoats = 3\nshare = 0.1", "p.toml"));
  apply_settings(fields, std::vector{parse_set_argument("paint.share=0.2")});
  EXPECT_EQ(fields.find("paint.coats")->origin, "p.toml:2");
  EXPECT_EQ(fields.find("paint.share")->origin, "--set");
  EXPECT_EQ(fields.find("paint.glossy")->origin, "default");
  EXPECT_EQ(paint.share, 0.2);
}

TEST(Fields, ChangeNothingWithARefusedValue) {
  Paint paint;
  Fields fields;
  visit(fields, paint);
  const auto bad = parse_settings("[paint]\ncoats = 100", "p.toml");
  EXPECT_THROW(apply_settings(fields, bad), UsageError);
  EXPECT_EQ(paint, Paint{});
}

TEST(Fields, PrintTomlThatReadsBackTheSame) {
  Paint paint{.colour = Colour::kGreen,
              .coats = 0,
              .share = 0.1,
              .name = "a \"b\"\n",
              .files = {"x", "# y"},
              .ramp = {4, 5},
              .cut = "1,2"};
  Fields fields;
  visit(fields, paint);
  set_origins(fields, {{"paint.coats", "a\nb = 1"}});
  const std::string toml = to_toml(fields);
  EXPECT_EQ(read(toml), paint) << toml;
  EXPECT_THAT(toml,
              HasSubstr("# How much. [a number from 0 to below 1 that f32 "
                        "holds]"));
  EXPECT_THAT(toml, HasSubstr("(a?b = 1)"));
}

TEST(Fields, PrintEveryDigitOfANumber) {
  for (const double share : {0.1, 1.0 / 3, 1e-5, 1.2e-38, 0.0, 0.9999999}) {
    Paint paint{.share = share};
    Fields fields;
    visit(fields, paint);
    EXPECT_EQ(read(to_toml(fields)).share, share);
  }
}

TEST(Fields, CheckValuesThatWereNeverRead) {
  Paint paint{.coats = 10};
  Fields fields;
  visit(fields, paint);
  EXPECT_THROW(check(fields), UsageError);
  paint.coats = 0;  // automatic
  EXPECT_NO_THROW(check(fields));
}

TEST(Fields, ListWhatDiffers) {
  Paint a;
  Paint b{.coats = 3, .name = "x"};
  Fields fields_a;
  visit(fields_a, a);
  Fields fields_b;
  visit(fields_b, b);
  EXPECT_EQ(differences(fields_a, fields_b),
            (std::vector<std::string>{"paint.coats: 2, 3",
                                      "store.name: \"plain\", \"x\""}));
  EXPECT_TRUE(differences(fields_a, fields_a).empty());
}

TEST(Fields, DocumentEveryKey) {
  Paint paint;
  Fields fields;
  visit(fields, paint);
  const std::string page = to_markdown(fields);
  for (const Field& field : fields.all()) {
    EXPECT_THAT(page, HasSubstr("| `" + field.name + "` | `" + field.text()));
  }
}

}  // namespace
}  // namespace dure
