// Compares with Hugging Face tokenizers: tools/golden/make_tokenizer_golden.py.
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <tuple>

#include <gtest/gtest.h>

#include "dure/data/tokenizer/bpe_trainer.h"
#include "dure/data/tokenizer/huggingface.h"
#include "dure/data/tokenizer/test_text.h"

namespace dure::data {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;

const Path kGolden = "tests/golden/tokenizer";

Json golden(const char* name) {
  return Json::parse(read_file(kGolden / name));
}

std::string with_prefix_space(std::string file) {
  const std::string off = "\"add_prefix_space\":false";
  file.replace(file.find(off), off.size(), "\"add_prefix_space\":true");
  return file;
}

struct Golden : testing::Test {
  Json ids = golden("ids.json");
  std::string gpt2_json = read_file(kGolden / "gpt2.json");

  void expect_same(const Tokenizer& tokenizer, const char* column) {
    for (const Json& row : ids["strings"]) {
      const auto text = row["text"].get<std::string>();
      EXPECT_EQ(tokenizer.Tokenizer::encode(text), row[column].get<Ids>())
          << row["text"];
    }
  }

  void expect_same_where_broken(const Tokenizer& tokenizer,
                                const char* column) {
    for (const Json& row : ids["broken"]) {
      const std::string text = from_hex(row["hex"].get<std::string>());
      const Ids found = tokenizer.Tokenizer::encode(text);
      EXPECT_EQ(found, row[column].get<Ids>()) << row["hex"];
      EXPECT_EQ(tokenizer.decode(found), text) << row["hex"];
    }
  }

  // Every string is decoded to itself, special tokens included.
  void expect_round_trips(const Tokenizer& tokenizer) {
    for (const Json& row : ids["strings"]) {
      const auto text = row["text"].get<std::string>();
      EXPECT_EQ(tokenizer.decode(tokenizer.Tokenizer::encode(text)), text);
    }
  }
};

TEST_F(Golden, VocabAndMergesGiveHuggingFacesIds) {
  const auto tokenizer = load_tokenizer((kGolden / "gpt2").string());
  expect_same(*tokenizer, "gpt2");
  expect_same_where_broken(*tokenizer, "gpt2");
  expect_round_trips(*tokenizer);
  EXPECT_EQ(tokenizer->end_of_document(), 0);
}

TEST_F(Golden, Gpt2TokenizerJsonGivesHuggingFacesIds) {
  const PipelineTokenizer tokenizer(parse_tokenizer_json(gpt2_json));
  expect_same(tokenizer, "gpt2");
  EXPECT_EQ(tokenizer.end_of_document(), 0);
  EXPECT_EQ(tokenizer.beginning_of_document(), std::nullopt);
}

TEST_F(Golden, APrefixSpaceIsAddedWhereHuggingFaceAddsIt) {
  const PipelineTokenizer tokenizer(
      parse_tokenizer_json(with_prefix_space(gpt2_json)));
  expect_same(tokenizer, "gpt2_prefix_space");
}

TEST_F(Golden, Llama3TokenizerJsonGivesHuggingFacesIds) {
  const auto tokenizer = load_tokenizer((kGolden / "llama3").string());
  expect_same(*tokenizer, "llama3");
  expect_same_where_broken(*tokenizer, "llama3");
  expect_round_trips(*tokenizer);
  EXPECT_EQ(tokenizer->beginning_of_document(), 0);
  EXPECT_EQ(tokenizer->end_of_document(), 1);
  EXPECT_EQ(tokenizer->vocabulary(), ids["llama3_vocabulary"]);
}

TEST_F(Golden, EveryThreadGetsTheSameIds) {
  const PipelineTokenizer tokenizer(parse_tokenizer_json(gpt2_json));
  const std::string text = read_file(kGolden / "corpus.txt");
  const Ids expected = tokenizer.Tokenizer::encode(text);
  std::vector<Ids> found(4);
  {
    std::vector<std::jthread> threads;
    for (Ids& one : found) {
      threads.emplace_back([&] { tokenizer.encode(text, one); });
    }
  }
  EXPECT_EQ(found, std::vector<Ids>(4, expected));
}

// The model part of a file, in any order of keys.
using Vocabulary = std::map<std::string, int>;
std::tuple<Vocabulary, Json> model_of(const Json& file) {
  return {file["model"]["vocab"].get<Vocabulary>(), file["model"]["merges"]};
}

TokenizerParts train_on_corpus(const BpeTrainingOptions& options, int workers) {
  const std::string corpus = read_file(kGolden / "corpus.txt");
  const auto words = count_words(
      one_text(corpus), {.patterns = options.patterns, .workers = workers});
  return train_bpe(words, options);
}

TEST_F(Golden, TheTrainerLearnsHuggingFacesVocabularyAndMerges) {
  const auto parts = train_on_corpus({.vocabulary = 900}, 1);
  EXPECT_EQ(model_of(Json::parse(tokenizer_json_text(parts))),
            model_of(Json::parse(gpt2_json)));
}

TEST_F(Golden, TheTrainerLearnsHuggingFacesLlama3VocabularyAndMerges) {
  const auto parts = train_on_corpus(
      {.vocabulary = 1200,
       .special_tokens = {"<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"},
       .patterns = {std::string(kLlama3Pattern)}},
      3);
  Json expected = golden("llama3/tokenizer.json");
  expected["model"]["vocab"].erase("UPPER");  // put there by the script
  for (Json& merge : expected["model"]["merges"]) {
    merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  }
  EXPECT_EQ(model_of(Json::parse(tokenizer_json_text(parts))),
            model_of(expected));
}

TEST_F(Golden, AWrittenFileReadsBackAsTheSameTokenizer) {
  const TokenizerParts parts = parse_tokenizer_json(gpt2_json);
  const std::string text = tokenizer_json_text(parts);
  EXPECT_EQ(tokenizer_json_text(parse_tokenizer_json(text)), text);
  expect_same(PipelineTokenizer(parse_tokenizer_json(text)), "gpt2");

  const auto llama3 =
      parse_tokenizer_json(read_file(kGolden / "llama3/tokenizer.json"));
  const auto again = parse_tokenizer_json(tokenizer_json_text(llama3));
  expect_same(PipelineTokenizer(again), "llama3");
}

}  // namespace
}  // namespace dure::data
