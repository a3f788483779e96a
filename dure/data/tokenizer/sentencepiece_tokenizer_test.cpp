#include "dure/data/tokenizer/sentencepiece_tokenizer.h"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::data {
namespace {

using Ids = std::vector<std::int32_t>;

const Path kGolden = "tests/golden/tokenizer";

#ifdef DURE_WITH_SENTENCEPIECE

// Against the library's Python package: tools/golden/make_tokenizer_golden.py.
void expect_same(const char* kind) {
  const std::string name = kind;
  const auto tokenizer = load_tokenizer(kGolden / (name + ".model"));
  const auto ids = nlohmann::json::parse(read_file(kGolden / "ids.json"));
  for (const auto& row : ids["strings"]) {
    const auto text = row["text"].get<std::string>();
    const Ids found = tokenizer->encode(text);
    EXPECT_EQ(found, row[name].get<Ids>()) << row["text"];
    EXPECT_EQ(tokenizer->decode(found), row[name + "_text"]) << row["text"];
  }
}

TEST(SentencePiece, AUnigramModelGivesTheLibrarysIdsAndText) {
  expect_same("unigram");
}

TEST(SentencePiece, ABpeModelWithByteFallbackGivesTheLibrarysIdsAndText) {
  expect_same("bpe");
}

TEST(SentencePiece, PiecesAreTextInsideATextAndControlsAreNone) {
  const auto tokenizer = load_tokenizer(kGolden / "bpe.model");
  EXPECT_EQ(tokenizer->beginning_of_document(), 1);
  EXPECT_EQ(tokenizer->end_of_document(), 2);
  EXPECT_EQ(tokenizer->token_text(2), "");
  EXPECT_EQ(tokenizer->token_text(*tokenizer->id_of("<0x41>")), "A");
  std::string text;
  for (const std::int32_t id : tokenizer->encode("the \xf0\x9f\xa6\x96")) {
    text += tokenizer->token_text(id);
  }
  EXPECT_EQ(text, " the \xf0\x9f\xa6\x96");  // the model's leading space
}

TEST(SentencePiece, BrokenFilesAndIdsOutsideAreRefused) {
  const auto tokenizer = load_tokenizer(kGolden / "unigram.model");
  const auto vocabulary = static_cast<std::int32_t>(tokenizer->vocabulary());
  EXPECT_THROW(tokenizer->decode(Ids{vocabulary}), Error);
  EXPECT_THROW(tokenizer->token_text(-1), Error);
  EXPECT_THROW(load_sentencepiece(kGolden / "corpus.txt"), Error);
}

#else

TEST(SentencePiece, WithoutTheLibraryTheErrorSaysWhatToInstall) {
  try {
    load_tokenizer(kGolden / "bpe.model");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("libsentencepiece-dev"),
              std::string::npos);
  }
}

#endif

}  // namespace
}  // namespace dure::data
