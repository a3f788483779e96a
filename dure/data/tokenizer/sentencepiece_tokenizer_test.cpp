#include "dure/data/tokenizer/sentencepiece_tokenizer.h"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/files.h"

namespace dure::data {
namespace {

using Ids = std::vector<std::int32_t>;

const Path kGolden = "tests/golden/tokenizer";

#ifdef DURE_WITH_SENTENCEPIECE

// Compares with the library's Python package:
// tools/golden/make_tokenizer_golden.py.
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

std::unique_ptr<Tokenizer> parsed(const TokenNotes& notes) {
  return parse_sentencepiece(read_file(kGolden / "bpe.model"), notes);
}

NamedToken named(const char* key, const char* text) {
  return {.file = "tokenizer_config.json", .key = key, .token = {.text = text}};
}

TEST(SentencePiece, TheFilesBesideSayWhatBeginsAndEndsADocument) {
  EXPECT_EQ(parsed({.adds_beginning = false})->beginning_of_document(),
            std::nullopt);
  EXPECT_EQ(parsed({.adds_beginning = true})->beginning_of_document(), 1);
  const TokenNotes notes = {
      .named = {named("bos_token", "</s>"), named("eos_token", "<s>")}};
  EXPECT_EQ(parsed(notes)->beginning_of_document(), 2);
  EXPECT_EQ(parsed(notes)->end_of_document(), 1);
}

TEST(SentencePiece, TokensThatTheModelLacksAreRefused) {
  EXPECT_THROW(parsed({.named = {named("eos_token", "<nobody>")}}), Error);
  EXPECT_THROW(parsed({.named = {named("pad_token", "<nobody>")}}), Error);
  EXPECT_THROW(parsed({.added = {{.id = 100000, .text = "<im>"}}}), Error);
  EXPECT_THROW(parsed({.added = {{.id = 5, .text = "<im>"}}}), Error);
  EXPECT_EQ(parsed({.added = {{.id = 2, .text = "</s>"}}})->end_of_document(),
            2);
}

TEST(SentencePiece, BrokenFilesAndIdsOutsideAreRefused) {
  const auto tokenizer = load_tokenizer(kGolden / "unigram.model");
  const auto vocabulary = static_cast<std::int32_t>(tokenizer->vocabulary());
  EXPECT_THROW(tokenizer->decode(Ids{vocabulary}), Error);
  EXPECT_THROW(tokenizer->token_text(-1), Error);
  EXPECT_THROW(parse_sentencepiece("no model", {}), Error);
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
