// Compares with Hugging Face tokenizers: tools/golden/make_pipeline_golden.py.
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include <gtest/gtest.h>

#include "dure/base/files.h"
#include "dure/base/utf8.h"
#include "dure/data/tokenizer/code_points.h"
#include "dure/data/tokenizer/normalizer.h"
#include "dure/data/tokenizer/test_text.h"
#include "dure/data/tokenizer/tokenizer.h"

namespace dure::data {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;

const Path kGolden = "tests/golden/tokenizer";

Json golden(const Path& name) {
  return Json::parse(read_file(kGolden / name));
}

// Byte-level tokens may end within a character, which Hugging Face repairs.
std::string repaired(const std::string& text) {
  return valid_utf8_prefix(text) == text.size()
             ? text
             : std::string(RepairedText(text).text());
}

class Pipelines : public testing::TestWithParam<std::string> {
 protected:
  Path folder = Path("pipelines") / GetParam();
  std::unique_ptr<Tokenizer> tokenizer =
      load_tokenizer((kGolden / folder).string());
  Json wanted = golden(folder / "golden.json");
};

INSTANTIATE_TEST_SUITE_P(Kinds,
                         Pipelines,
                         testing::ValuesIn(kPipelines),
                         [](const auto& kind) { return kind.param; });

TEST_P(Pipelines, GiveHuggingFacesIdsAndTexts) {
  const Json strings = golden("pipelines/strings.json");
  ASSERT_EQ(strings.size(), wanted["strings"].size());
  for (std::size_t i = 0; i < strings.size(); ++i) {
    const auto text = strings[i].get<std::string>();
    const Json& row = wanted["strings"][i];
    const Ids ids = tokenizer->encode(text);
    EXPECT_EQ(ids, row["ids"].get<Ids>()) << strings[i];
    EXPECT_EQ(repaired(tokenizer->decode(ids)), row.value("text", text))
        << strings[i];
  }
}

TEST_P(Pipelines, GiveHuggingFacesTextsOfAnyIds) {
  for (const Json& row : wanted["decode"]) {
    const Ids ids = row["ids"].get<Ids>();
    EXPECT_EQ(repaired(tokenizer->decode(ids)), row["text"].get<std::string>())
        << row["ids"];
  }
}

TEST_P(Pipelines, HaveHuggingFacesVocabulary) {
  EXPECT_EQ(tokenizer->vocabulary(), wanted["vocabulary"]);
}

// A text that is repaired first gets the same ids, unless the tokenizer keeps
// its bytes.
TEST_P(Pipelines, TakeAnyBytes) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::string text = random_text(seed, seed % 50);
    const Ids ids = tokenizer->encode(text);
    if (tokenizer->decode(ids) != text) {
      EXPECT_EQ(ids, tokenizer->encode(repaired(text))) << text;
    }
  }
}

std::string digest(std::string_view text) {  // FNV-1a
  std::uint64_t value = 0xcbf29ce484222325;
  for (const char c : text) {
    value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  std::ostringstream hex;
  hex << std::hex << std::setw(16) << std::setfill('0') << value;
  return hex.str();
}

class Normalizers : public testing::TestWithParam<const char*> {
 protected:
  static std::string normalized(std::string_view text) {
    static const std::map<std::string_view, NormalizerStep> kSteps = {
        {"NFC", NormalForm::kC},
        {"NFD", NormalForm::kD},
        {"NFKC", NormalForm::kKC},
        {"NFKD", NormalForm::kKD},
        {"Lowercase", ToLowerCase{}},
        {"StripAccents", StripAccents{}}};
    SplitScratch scratch;
    return Normalizer({kSteps.at(GetParam())})(text, scratch) + "\n";
  }

  Json wanted = golden("unicode.json");
};

INSTANTIATE_TEST_SUITE_P(
    Names,
    Normalizers,
    testing::Values("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"));

TEST_P(Normalizers, MakeOfEveryCharacterWhatHuggingFaceMakes) {
  const Json& blocks = wanted[GetParam()]["blocks"];
  ASSERT_EQ(blocks.size(), 0x110000 / 4096);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    std::string all;
    for (char32_t c = 0; c < 4096; ++c) {
      const auto code = static_cast<char32_t>(4096 * i) + c;
      if (code < 0xd800 || code >= 0xe000) {
        std::string text;
        append_utf8(code, text);
        all += normalized(text);
      }
    }
    EXPECT_EQ(digest(all), blocks[i]) << "from U+" << std::hex << 4096 * i;
  }
}

TEST_P(Normalizers, MakeOfSequencesWhatHuggingFaceMakes) {
  std::string all;
  for (const Json& text : wanted["sequences"]) {
    all += normalized(text.get<std::string>());
  }
  EXPECT_EQ(digest(all), wanted[GetParam()]["sequences"]);
}

}  // namespace
}  // namespace dure::data
