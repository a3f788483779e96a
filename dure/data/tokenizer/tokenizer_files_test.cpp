#include "dure/data/tokenizer/tokenizer_files.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/data/tokenizer/bpe_trainer.h"
#include "dure/data/tokenizer/huggingface.h"
#include "dure/data/tokenizer/tokenizer.h"

namespace dure::data {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;
using testing::HasSubstr;

const Path kGolden = "tests/golden/tokenizer";

// A folder with a tokenizer.json of 262 tokens. <|endoftext|> is the first, and
// "<fin>" and "</s>" are among its plain tokens.
struct Files : testing::Test {
  Path folder = std::filesystem::temp_directory_path() /
                ("dure_tokenizer_" + std::to_string(::getpid()));

  void SetUp() override {
    std::filesystem::remove_all(folder);
    make_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  void write(const char* name, const std::string& text) const {
    write_file_atomically(folder / name, text);
  }

  void write_tokenizer() const {
    Json file = Json::parse(tokenizer_json_text(
        train_bpe({{"abab", 5}, {" the", 9}}, {.vocabulary = 260})));
    file["model"]["vocab"]["<fin>"] = 260;
    file["model"]["vocab"]["</s>"] = 261;
    write("tokenizer.json", file.dump());
  }

  std::unique_ptr<Tokenizer> load() const {
    return load_tokenizer(folder.string());
  }

  std::string error() const {
    try {
      load();
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
};

TEST_F(Files, ErrorsNameTheFile) {
  EXPECT_THAT(error(), HasSubstr(folder.string()));
  for (const char* text : {"", "{", "{}", "[]", "\xff"}) {
    write("tokenizer.json", text);
    EXPECT_THAT(error(), HasSubstr((folder / "tokenizer.json").string()))
        << text;
  }
  write_tokenizer();
  for (const char* name : {"tokenizer_config.json",
                           "special_tokens_map.json",
                           "added_tokens.json"}) {
    for (const char* text : {"", "{", "[]", "3"}) {
      write(name, text);
      EXPECT_THAT(error(), HasSubstr(name)) << text;
    }
    std::filesystem::remove(folder / name);
    std::filesystem::create_symlink("nowhere", folder / name);
    EXPECT_THAT(error(), HasSubstr(name)) << "a link to nothing";
    std::filesystem::remove(folder / name);
  }
}

TEST_F(Files, VocabWithoutMergesIsAnError) {
  write("vocab.json", "{}");
  EXPECT_THAT(error(), HasSubstr("merges.txt"));
}

TEST_F(Files, ThoseBesideNameTheEndOfADocument) {
  write_tokenizer();
  EXPECT_EQ(load()->end_of_document(), 0);
  write("special_tokens_map.json", R"({"eos_token": "</s>"})");
  EXPECT_EQ(load()->end_of_document(), 261);
  write("tokenizer_config.json", R"({"eos_token": {"content": "<fin>"}})");
  EXPECT_EQ(load()->end_of_document(), 260);
  write("tokenizer_config.json", R"({"eos_token": null, "pad_token": ""})");
  EXPECT_EQ(load()->end_of_document(), 261);
}

// Transformers does so with a special token that tokenizer.json has as text.
TEST_F(Files, ANamedTokenIsFoundInTexts) {
  write_tokenizer();
  EXPECT_GT(load()->encode("<fin>").size(), 1U);
  write("tokenizer_config.json", R"({"pad_token": "<fin>"})");
  EXPECT_EQ(load()->encode("<fin>"), Ids{260});
}

TEST_F(Files, ANamedTokenThatIsNotThereIsAnErrorThatNamesIt) {
  write_tokenizer();
  for (const char* file :
       {"tokenizer_config.json", "special_tokens_map.json"}) {
    for (const char* key :
         {"bos_token", "eos_token", "unk_token", "pad_token", "mask_token"}) {
      write(file, Json{{key, "<nobody>"}}.dump());
      EXPECT_THAT(error(),
                  HasSubstr(std::string(file) + " names " + key +
                            " \"<nobody>\", which is not in the vocabulary"));
      write(file, Json{{key, {{"content", "<nobody>"}}}}.dump());
      EXPECT_THAT(error(), HasSubstr("\"<nobody>\""));
      write(file, Json{{key, 5}}.dump());
      EXPECT_THAT(error(), HasSubstr(key));
    }
    write(file, R"({"additional_special_tokens": ["<fin>", "<nobody>"]})");
    EXPECT_THAT(error(), HasSubstr("additional_special_tokens \"<nobody>\""));
    write(file, R"({"extra_special_tokens": {"image_token": "<nobody>"}})");
    EXPECT_THAT(error(), HasSubstr("extra_special_tokens \"<nobody>\""));
    std::filesystem::remove(folder / file);
  }
}

TEST_F(Files, ThoseBesideAddTokens) {
  write_tokenizer();
  write("added_tokens.json", R"({"<im>": 262})");
  write("tokenizer_config.json", R"({"eos_token": "<im>",
      "added_tokens_decoder": {"0": {"content": "<|endoftext|>"},
                               "270": {"content": "<far>", "lstrip": true}}})");
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer->end_of_document(), 262);
  EXPECT_EQ(tokenizer->vocabulary(), 271);
  EXPECT_EQ(tokenizer->encode("<im>  <far>"), (Ids{262, 270}));
  EXPECT_TRUE(tokenizer->has_token(270));
  EXPECT_FALSE(tokenizer->has_token(269));  // a hole
  EXPECT_FALSE(tokenizer->has_token(-1));
  EXPECT_FALSE(tokenizer->has_token(271));
}

TEST_F(Files, TokensThatAreAddedTwiceOrInEachOthersPlaceAreRefused) {
  write_tokenizer();
  for (const char* added : {R"({"<|endoftext|>": 262})",
                            R"({"<im>": 261})",
                            R"({"<im>": 2000000000})",
                            R"({"<im>": -1})",
                            R"({"<im>": "1"})"}) {
    write("added_tokens.json", added);
    EXPECT_NE(error(), "no error") << added;
  }
  std::filesystem::remove(folder / "added_tokens.json");
  for (const char* decoder : {R"([])",
                              R"({"x": {"content": "<im>"}})",
                              R"({"300 ": {"content": "<im>"}})",
                              R"({"300": "<im>"})",
                              R"({"300": {"content": ""}})"}) {
    write("tokenizer_config.json",
          std::string(R"({"added_tokens_decoder": )") + decoder + "}");
    EXPECT_THAT(error(), HasSubstr("added_tokens_decoder")) << decoder;
  }
}

// GPT-2's tokenizer_config.json names a bos_token that is put nowhere.
TEST_F(Files, ABeginningIsPutBeforeATextWhereTheFilesSaySo) {
  std::filesystem::copy(kGolden / "gpt2", folder);
  write("tokenizer_config.json", R"({"bos_token": "<|endoftext|>"})");
  EXPECT_EQ(load()->beginning_of_document(), std::nullopt);
  write("tokenizer_config.json",
        R"({"bos_token": "<|endoftext|>", "add_bos_token": false})");
  EXPECT_EQ(load()->beginning_of_document(), std::nullopt);
  write("tokenizer_config.json",
        R"({"bos_token": "<|endoftext|>", "add_bos_token": true})");
  EXPECT_EQ(load()->beginning_of_document(), 0);
  write("tokenizer_config.json", R"({"add_bos_token": true})");
  EXPECT_THAT(error(), HasSubstr("no file names a bos_token"));
  write("tokenizer_config.json", R"({"add_bos_token": "yes"})");
  EXPECT_THAT(error(), HasSubstr("add_bos_token must be true or false"));
}

TEST_F(Files, ATemplateIsTakenBackByAddBosToken) {
  std::filesystem::copy(kGolden / "llama3", folder);
  EXPECT_EQ(load()->beginning_of_document(), 0);
  write("tokenizer_config.json", R"({"add_bos_token": false})");
  EXPECT_EQ(load()->beginning_of_document(), std::nullopt);
}

// The files that a checkpoint keeps are the tokenizer.
struct Kept : Files {
  void expect_same(const std::string& spec, std::size_t files) const {
    const auto original = load_tokenizer(spec);
    const auto documents = tokenizer_documents(spec, original->vocabulary());
    EXPECT_EQ(documents.size(), files) << spec;
    const Path kept = folder / "kept";
    make_directories(kept);
    for (const auto& [name, text] : documents) {
      write_file_atomically(kept / name, text);
    }
    EXPECT_TRUE(holds_tokenizer(kept));
    EXPECT_EQ(tokenizer_files_in(kept), documents);
    const auto again = load_tokenizer(kept.string());
    EXPECT_EQ(again->kind(), original->kind());
    EXPECT_EQ(again->vocabulary(), original->vocabulary());
    EXPECT_EQ(again->beginning_of_document(),
              original->beginning_of_document());
    EXPECT_EQ(again->end_of_document(), original->end_of_document());
    const std::string text = "the <fin> abab <im>";
    EXPECT_EQ(again->encode(text), original->encode(text));
    std::filesystem::remove_all(kept);
  }
};

TEST_F(Kept, IsTheSameTokenizerWhateverItWasNamedBy) {
  write_tokenizer();
  write("tokenizer_config.json",
        R"({"bos_token": "<fin>", "add_bos_token": true})");
  write("special_tokens_map.json", R"({"eos_token": "<im>"})");
  write("added_tokens.json", R"({"<im>": 262})");
  write("README.md", "no file of a tokenizer");
  expect_same(folder.string(), 4);
  std::filesystem::rename(folder / "tokenizer.json", folder / "mine.json");
  expect_same((folder / "mine.json").string(), 4);
  expect_same((kGolden / "gpt2").string(), 2);
  for (const std::string kind : {"llama2", "albert", "deepseek"}) {
    expect_same((kGolden / "pipelines" / kind).string(), 1);
  }
  expect_same((kGolden / "gpt2" / "vocab.json").string(), 2);
}

#ifdef DURE_WITH_SENTENCEPIECE
TEST_F(Kept, IsTheSameSentencePieceModel) {
  std::filesystem::copy(kGolden / "bpe.model", folder / "spm.model");
  expect_same((folder / "spm.model").string(), 1);
  write("tokenizer_config.json", R"({"add_bos_token": false})");
  expect_same((folder / "spm.model").string(), 2);
}
#endif

TEST_F(Kept, IsNothingOfATokenizerWithoutFiles) {
  EXPECT_TRUE(tokenizer_documents("bytes", 257).empty());
  EXPECT_TRUE(tokenizer_documents("", 1).empty());
  EXPECT_FALSE(holds_tokenizer(folder));
  EXPECT_TRUE(tokenizer_files_in(folder).empty());
}

TEST_F(Kept, MustNotHaveMoreIdsThanTheModel) {
  EXPECT_THROW(tokenizer_documents("bytes", 256), UsageError);
  write_tokenizer();
  EXPECT_EQ(tokenizer_documents(folder.string(), 262).size(), 1U);
  EXPECT_THROW(tokenizer_documents(folder.string(), 261), UsageError);
  EXPECT_THROW(tokenizer_documents("missing.json", 1000), Error);
}

}  // namespace
}  // namespace dure::data
