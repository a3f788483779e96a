#include "dure/data/tokenizer/huggingface.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/data/tokenizer/bpe_trainer.h"
#include "dure/data/tokenizer/huggingface_model.h"
#include "dure/data/tokenizer/test_text.h"

namespace dure::data {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

// A valid file that the tests break.
Json small_file() {
  const auto parts = train_bpe({{"abab", 5}, {" the", 9}}, {.vocabulary = 262});
  return Json::parse(tokenizer_json_text(parts));
}

std::string error_of(const Json& file) {
  try {
    parse_tokenizer_json(file.dump());
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

Json with(const char* pointer, Json value) {
  Json file = small_file();
  file[Json::json_pointer(pointer)] = std::move(value);
  return file;
}

TEST(TokenizerJson, WhatIsUnsupportedIsNamed) {
  EXPECT_EQ(error_of(small_file()), "no error");
  for (const char* type : {"BertNormalizer", "ByteLevel", "Nmt"}) {
    EXPECT_THAT(error_of(with("/normalizer", {{"type", type}})),
                HasSubstr(fmt::format("normalizer \"{}\"", type)));
  }
  for (const char* type : {"WordPiece", "WordLevel"}) {
    EXPECT_THAT(error_of(with("/model/type", type)),
                HasSubstr(fmt::format("\"{}\"", type)));
  }
  EXPECT_THAT(error_of(with("/pre_tokenizer", {{"type", "UnicodeScripts"}})),
              HasSubstr("pre-tokenizer \"UnicodeScripts\""));
  EXPECT_THAT(error_of(with("/decoder", {{"type", "Metaspace"}})),
              HasSubstr("decoder \"Metaspace\""));
  EXPECT_THAT(error_of(with("/model/dropout", 0.1)), HasSubstr("dropout"));
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    EXPECT_THAT(error_of(with((std::string("/model/") + key).c_str(), "##")),
                HasSubstr(key));
  }
  EXPECT_THAT(error_of(with("/pre_tokenizer", nullptr)),
              HasSubstr("decoder \"ByteLevel\""));
}

TEST(TokenizerJson, WhatByteLevelBpeNeverAsksForMayStandInTheFile) {
  EXPECT_EQ(error_of(with("/model/unk_token", "<unk>")), "no error");
  EXPECT_EQ(error_of(with("/model/byte_fallback", true)), "no error");
  EXPECT_EQ(error_of(with("/pre_tokenizer/use_regex", false)), "no error");
  EXPECT_EQ(error_of(with("/normalizer", {{"type", "NFC"}})), "no error");
  EXPECT_EQ(
      error_of(with("/normalizer",
                    {{"type", "Sequence"}, {"normalizers", Json::array()}})),
      "no error");
}

TEST(TokenizerJson, BrokenPartsAreNamed) {
  EXPECT_THAT(error_of(Json::array()), HasSubstr("array"));
  EXPECT_THAT(error_of(Json::object()), HasSubstr("no \"model\""));
  EXPECT_THAT(error_of(with("/model/vocab/a", "x")), HasSubstr("token \"a\""));
  EXPECT_THAT(error_of(with("/model/vocab/a", 1)), HasSubstr("id 1"));
  EXPECT_THAT(error_of(with("/model/vocab/zz", 2000000000)),
              HasSubstr("\"zz\""));
  EXPECT_THAT(error_of(with("/model/vocab/zz", -1)), HasSubstr("got -1"));
  EXPECT_THAT(error_of(with("/model/merges/0", "nospace")),
              HasSubstr("nospace"));
  EXPECT_THAT(error_of(with("/model/merges/0", "qqq z")), HasSubstr("qqq"));
  EXPECT_THAT(error_of(with("/model/merges", 3)), HasSubstr("merges"));
  EXPECT_THAT(error_of(with("/added_tokens/0/id", 5)), HasSubstr("has id 5"));
  EXPECT_THAT(error_of(with("/added_tokens/0/single_word", 1)),
              HasSubstr("single_word"));
  Json lacking = small_file();
  lacking["model"]["vocab"].erase("a");
  EXPECT_THAT(error_of(lacking), HasSubstr("byte 97"));
  EXPECT_THROW(parse_tokenizer_json("{\"model\":"), Error);
}

// A valid file of a model of characters, to be broken.
Json unigram_file() {
  return {{"model",
           {{"type", "Unigram"},
            {"unk_id", 0},
            {"vocab",
             Json::array({Json::array({"<u>", 0.0}),
                          Json::array({"_", -1}),
                          Json::array({"a", -2.5})})}}},
          {"pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "_"}}},
          {"decoder", {{"type", "Metaspace"}, {"replacement", "_"}}}};
}

std::string error_with(Json file, const char* pointer, Json value) {
  file[Json::json_pointer(pointer)] = std::move(value);
  return error_of(file);
}

TEST(TokenizerJson, BrokenPartsOfAUnigramModelAreNamed) {
  const Json file = unigram_file();
  const auto error = [&](const char* pointer, Json value) {
    return error_with(file, pointer, std::move(value));
  };
  EXPECT_EQ(error_of(file), "no error");
  EXPECT_THAT(error("/model/unk_id", nullptr), HasSubstr("unk_id"));
  EXPECT_THAT(error("/model/unk_id", 3), HasSubstr("unk_id"));
  EXPECT_THAT(error("/model/vocab", Json::array()), HasSubstr("vocabulary"));
  EXPECT_THAT(error("/model/vocab/1", "a"), HasSubstr("token 1"));
  EXPECT_THAT(error("/model/vocab/2/1", "x"), HasSubstr("token 2"));
  EXPECT_THAT(error("/pre_tokenizer", {{"type", "ByteLevel"}}),
              HasSubstr("Unigram"));
  EXPECT_THAT(error("/pre_tokenizer/replacement", "__"),
              HasSubstr("one character"));
  EXPECT_THAT(error("/pre_tokenizer/prepend_scheme", "sometimes"),
              HasSubstr("\"sometimes\""));
  EXPECT_THAT(error("/decoder", {{"type", "CTC"}}), HasSubstr("\"CTC\""));
  EXPECT_THAT(error("/decoder",
                    {{"type", "Sequence"},
                     {"decoders",
                      Json::array({{{"type", "Fuse"}}, {{"type", "Fuse"}}})}}),
              HasSubstr("after Fuse"));
}

TEST(TokenizerJson, AMetaspaceOfOldSaysAddPrefixSpace) {
  Json file = unigram_file();
  const auto ids = [&] {
    return PipelineTokenizer(parse_tokenizer_json(file.dump()))
        .Tokenizer::encode("a a");
  };
  using Ids = std::vector<std::int32_t>;
  EXPECT_EQ(ids(), (Ids{1, 2, 1, 2}));
  file["pre_tokenizer"]["str_rep"] = "_";
  file["pre_tokenizer"]["add_prefix_space"] = false;
  EXPECT_EQ(ids(), (Ids{2, 1, 2}));
  file["pre_tokenizer"]["prepend_scheme"] = "first";
  EXPECT_THAT(error_of(file), HasSubstr("add_prefix_space is false"));
}

TEST(TokenizerJson, AnUnknownTokenMustBeInTheVocabulary) {
  const Json file = {{"model",
                      {{"type", "BPE"},
                       {"unk_token", "<u>"},
                       {"vocab", {{"a", 0}}},
                       {"merges", Json::array()}}}};
  EXPECT_THAT(error_of(file), HasSubstr("unk_token \"<u>\""));
}

TEST(TokenizerJson, ANormalizedTokenThatBecomesNothingIsRefused) {
  Json file = unigram_file();
  file["normalizer"] = {
      {"type", "Strip"}, {"strip_left", true}, {"strip_right", true}};
  file["added_tokens"] = {{{"id", 3}, {"content", "  "}, {"normalized", true}}};
  EXPECT_THROW(PipelineTokenizer(parse_tokenizer_json(file.dump())), Error);
}

TEST(TokenizerJson, AnAddedTokenMayHoldAnyCharacters) {
  const std::string text = "<\xc3\xa9 \xed\x95\x9c>";
  Json file = with("/added_tokens/0/content", text);
  file["model"]["vocab"].erase("<|endoftext|>");
  file["model"]["vocab"][text] = 0;
  const PipelineTokenizer tokenizer(parse_tokenizer_json(file.dump()));
  const auto ids = tokenizer.Tokenizer::encode("a" + text);
  EXPECT_EQ(ids.back(), 0);
  EXPECT_EQ(tokenizer.decode(ids), "a" + text);
}

TEST(TokenizerJson, AddedTokensBeyondTheModelMakeTheVocabularyLarger) {
  Json file = small_file();
  Json extra = file["added_tokens"][0];
  extra["id"] = 300;
  extra["content"] = "<|im_end|>";
  file["added_tokens"].push_back(extra);
  const PipelineTokenizer tokenizer(parse_tokenizer_json(file.dump()));
  EXPECT_EQ(tokenizer.vocabulary(), 301);
  EXPECT_EQ(tokenizer.id_of("<|im_end|>"), 300);
  EXPECT_EQ(tokenizer.id_of("<|nothing|>"), std::nullopt);
  EXPECT_THROW(tokenizer.token_text(299), Error);  // a hole
  EXPECT_THROW(tokenizer.token_text(301), Error);
  EXPECT_EQ(tokenizer.token_text(300), "<|im_end|>");
}

TEST(TokenizerJson, StagesOfSplittingFollowOneAnother) {
  const Json stages = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"},
         {"pattern", {{"String", "h"}}},
         {"behavior", "Isolated"},
         {"invert", false}},
        {{"type", "Digits"}, {"individual_digits", true}},
        {{"type", "ByteLevel"}, {"add_prefix_space", false}}}}};
  const PipelineTokenizer cut(
      parse_tokenizer_json(with("/pre_tokenizer", stages).dump()));
  const PipelineTokenizer whole(parse_tokenizer_json(small_file().dump()));
  EXPECT_EQ(whole.Tokenizer::encode(" the").size(), 1U);
  EXPECT_EQ(cut.Tokenizer::encode(" the").size(), 4U);  // " ", t, h, e
}

TEST(TokenizerJson, AnyBytesRoundTrip) {
  const PipelineTokenizer tokenizer(parse_tokenizer_json(small_file().dump()));
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::string text = random_text(seed, seed);
    EXPECT_EQ(tokenizer.decode(tokenizer.Tokenizer::encode(text)), text);
  }
}

TEST(MergesText, VersionLineAndLineEndsAreNoMerges) {
  EXPECT_EQ(parse_merges_text("#version: 0.2\r\na b\r\n# c\n\nd e"),
            (MergeTexts{{"a", "b"}, {"#", "c"}, {"d", "e"}}));
  EXPECT_EQ(parse_merges_text("\xef\xbb\xbf#version: 0.2\na b"),
            (MergeTexts{{"a", "b"}}));
  EXPECT_THROW(parse_merges_text("a b c\n"), Error);
  EXPECT_THROW(parse_merges_text("ab \n"), Error);
}

TEST(TokenizerJson, WhatIsPutBeforeATextIsTheBeginning) {
  const Json token = {{"SpecialToken", {{"id", "<|endoftext|>"}}}};
  const Json text = {{"Sequence", {{"id", "A"}}}};
  const auto beginning = [&](Json processor) {
    return parse_tokenizer_json(
               with("/post_processor", std::move(processor)).dump())
        .beginning_of_document;
  };
  const auto of = [](Json single) {
    return Json{{"type", "TemplateProcessing"}, {"single", std::move(single)}};
  };
  EXPECT_EQ(beginning(nullptr), std::nullopt);
  EXPECT_EQ(beginning({{"type", "ByteLevel"}}), std::nullopt);
  EXPECT_EQ(beginning(of({token, text})), 0);
  EXPECT_EQ(beginning(of({text, token})), std::nullopt);
  EXPECT_EQ(beginning({{"type", "Sequence"},
                       {"processors",
                        {{{"type", "ByteLevel"}}, of({token, text, token})}}}),
            0);
  EXPECT_EQ(beginning({{"type", "RobertaProcessing"},
                       {"cls", {"<|endoftext|>", 0}},
                       {"sep", {"<|endoftext|>", 0}}}),
            0);
  EXPECT_THAT(error_of(with("/post_processor", of({token, token, text}))),
              HasSubstr("2 tokens before a text"));
  EXPECT_THAT(error_of(with("/post_processor", {{"type", "Mystery"}})),
              HasSubstr("\"Mystery\""));
  Json unknown = token;
  unknown["SpecialToken"]["id"] = "<nobody>";
  EXPECT_THAT(error_of(with("/post_processor", of({unknown, text}))),
              HasSubstr("\"<nobody>\", which is not in the vocabulary"));
}

}  // namespace
}  // namespace dure::data
