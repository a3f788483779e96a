#include "dure/data/tokenizer/transformers_files.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/data/tokenizer/tokenizer.h"

namespace dure::data {
namespace {

const Path kGolden = "tests/golden/tokenizer";

struct Transformers : testing::Test {
  Path folder = std::filesystem::temp_directory_path() /
                ("dure_transformers_" + std::to_string(::getpid()));

  void SetUp() override { make_directories(folder); }
  void TearDown() override { std::filesystem::remove_all(folder); }

  void write(const std::string& name, const std::string& text) const {
    write_file_atomically(folder / name, text);
  }
};

TEST_F(Transformers, EveryFileGoesAlongByteForByte) {
  const std::map<std::string, std::string> files = {
      {"tokenizer.json", read_file(kGolden / "gpt2.json")},
      {"tokenizer_config.json", "{ \"chat_template\": \"{{ x }}\" }"},
      {"special_tokens_map.json", "{}"},
      {"added_tokens.json", "{ }"},
      {"vocab.json", "{\"a\": 0}"},
      {"merges.txt", "#version: 0.2\n"},
      {"tokenizer.model", "not one"},
      {"chat_template.jinja", "{{ messages }}\n"},
      {"generation_config.json", "{ \"eos_token_id\": [1, 2] }"}};
  for (const auto& [name, text] : files) {
    write(name, text);
  }
  write("README.md", "no file of a tokenizer");
  EXPECT_EQ(transformers_tokenizer(folder, 64).files, files);
}

// Otherwise Transformers would end texts by other tokens.
TEST_F(Transformers, ATokenizerAloneGetsAConfigThatNamesItsTokens) {
  write("tokenizer.json", read_file(kGolden / "llama3" / "tokenizer.json"));
  const TransformersTokenizer made = transformers_tokenizer(folder, 64);
  const auto config =
      nlohmann::json::parse(made.files.at("tokenizer_config.json"));
  EXPECT_EQ(config.at("tokenizer_class"), "PreTrainedTokenizerFast");
  EXPECT_EQ(config.at("model_max_length"), 64);
  const auto tokenizer = load_tokenizer(folder.string());
  ASSERT_TRUE(made.beginning && made.end);
  EXPECT_EQ(config.at("bos_token"), tokenizer->token_text(*made.beginning));
  EXPECT_EQ(config.at("eos_token"), tokenizer->token_text(*made.end));
  // The written file reads back as the same.
  write("tokenizer_config.json", made.files.at("tokenizer_config.json"));
  EXPECT_EQ(load_tokenizer(folder.string())->beginning_of_document(),
            made.beginning);
  EXPECT_EQ(load_tokenizer(folder.string())->end_of_document(), made.end);
}

TEST_F(Transformers, WhatCantBeUsedHereGoesAlongAllTheSame) {
  write("tokenizer.json", R"({"model": {"type": "WordPiece"}})");
  const TransformersTokenizer made = transformers_tokenizer(folder, 64);
  EXPECT_EQ(made.files.size(), 1U);
  EXPECT_EQ(made.end, std::nullopt);
  EXPECT_TRUE(transformers_tokenizer(folder / "none", 64).files.empty());
}

}  // namespace
}  // namespace dure::data
