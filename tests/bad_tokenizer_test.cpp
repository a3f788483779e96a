// Wrong tokenizers, prompts and numbers for generation, in the program itself.
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/trained_folder.h"

namespace dure {
namespace {

using Json = nlohmann::json;

// Adds to TrainedFolder a tokenizer.json of 259 ids, whose special tokens only
// its neighbour files name, and a model that learnt "ab<fin>".
class BadTokenizer : public TrainedFolder {
 protected:
  static void SetUpTestSuite() {
    TrainedFolder::SetUpTestSuite();
    make_directories(folder() / "tok");
    write("tok/tokenizer_config.json", R"({"eos_token": "<fin>"})");
    write("tok/special_tokens_map.json", R"({"bos_token": "<doc>"})");
    ASSERT_EQ(dure("tokenizer train --input text.jsonl --vocabulary 258 "
                   "--special '<fin>' '<doc>' --output tok/tokenizer.json")
                  .exit_code,
              0);
    std::string documents;
    for (int i = 0; i < 300; ++i) {
      documents += "{\"text\": \"ab\"}\n";
    }
    write("ab.jsonl", documents);
    ASSERT_EQ(dure("preprocess --input ab.jsonl --tokenizer tok --output ab")
                  .exit_code,
              0);
    ASSERT_EQ(
        dure("train config.toml --set data.train=ab --set data.tokenizer=tok "
             "--set model.vocabulary=258 --set model.hidden=32 --set "
             "train.global_batch=8 --set train.steps=80 --set "
             "optimizer.learning_rate=1e-2 --set log.directory=ab_run")
            .exit_code,
        0);
    ASSERT_EQ(dure("convert --from dure ab_run --to hf ab_hf").exit_code, 0);
  }

  static std::string text_of(const std::string& arguments) {
    const Outcome outcome = dure("generate " + arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
    return outcome.output;
  }

  static std::string error_of(const std::string& arguments, int exit_code) {
    const Outcome outcome = dure(arguments);
    EXPECT_EQ(outcome.exit_code, exit_code) << arguments << outcome.errors;
    EXPECT_EQ(outcome.output, "") << arguments;
    return outcome.errors;
  }

  // Writes the model with all numbers of its last gain replaced.
  static void write_broken_model(const std::string& name, float number) {
    std::filesystem::copy(folder() / "ab_hf", folder() / name);
    const Path path = folder() / name / "model.safetensors";
    std::string bytes = read_file(path);
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
    const Json header = Json::parse(bytes.substr(8, header_bytes));
    const auto at = header["transformer.ln_f.weight"]["data_offsets"]
                        .get<std::vector<std::uint64_t>>();
    for (std::uint64_t i = at[0]; i < at[1]; i += sizeof number) {
      std::memcpy(&bytes[8 + header_bytes + i], &number, sizeof number);
    }
    write_file_atomically(path, bytes);
  }

  static inline const Path kSentencePiece =
      std::filesystem::absolute("tests/golden/tokenizer/bpe.model");
};

TEST_F(BadTokenizer, ACheckpointByItselfIsWhatItsTokenizerMadeIt) {
  const std::string prompt = " --prompt ab --tokens 8 --temperature 0";
  const std::string own = text_of("--checkpoint ab_run" + prompt);
  EXPECT_EQ(own, text_of("--checkpoint ab_run --tokenizer tok" + prompt));
  EXPECT_EQ(own, "ab\n");  // and it stops at <fin>
  // The original path is neither needed nor read.
  ASSERT_EQ(shell("mv tok tok_away").exit_code, 0);
  EXPECT_EQ(text_of("--checkpoint ab_run" + prompt), own);
  ASSERT_EQ(shell("mv tok_away tok").exit_code, 0);
}

TEST_F(BadTokenizer, ConversionsTakeItsFilesAlong) {
  ASSERT_EQ(dure("convert --from hf ab_hf --to dure ab_again").exit_code, 0);
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}) {
    const std::string text = read(std::string("tok/") + name);
    EXPECT_EQ(read(std::string("ab_hf/") + name), text);
    EXPECT_EQ(read(std::string("ab_again/") + name), text);
  }
  const std::string prompt = " --prompt ab --tokens 8 --temperature 0";
  for (const std::string checkpoint : {"ab_hf", "ab_again"}) {
    EXPECT_EQ(text_of("--checkpoint " + checkpoint + prompt), "ab\n");
  }
  EXPECT_EQ(dure("checkpoint verify ab_again").exit_code, 0);
}

TEST_F(BadTokenizer, APathInAForeignCheckpointIsNotFollowed) {
  ASSERT_EQ(shell("cp -r ab_hf foreign && rm foreign/*token* && cp "
                  "ab_run/checkpoints/step_*/trainer.json foreign")
                .exit_code,
            0);
  EXPECT_NE(read("foreign/trainer.json").find("\"tok\""), std::string::npos);
  EXPECT_NE(error_of("generate --checkpoint foreign --prompt ab", kUsage)
                .find("--tokenizer"),
            std::string::npos);
}

TEST_F(BadTokenizer, ASpecialTokenThatIsNamedButNotThereIsAnError) {
  ASSERT_EQ(shell("cp -r tok named").exit_code, 0);
  write("named/tokenizer_config.json", R"({"eos_token": "<nobody>"})");
  for (const std::string command :
       {"preprocess --input text.jsonl --output named_out --tokenizer named",
        "generate --checkpoint ab_run --prompt ab --tokenizer named",
        "tokenizer encode --text ab --tokenizer named"}) {
    refuses(command,
            kFailed,
            "tokenizer_config.json names eos_token \"<nobody>\", which is not "
            "in the vocabulary");
  }
}

TEST_F(BadTokenizer, TheFirstSpecialTokenEndsADocumentOrIsRefused) {
  refuses(
      "tokenizer train --input text.jsonl --vocabulary 300 --special '<x>' "
      "--output new.json",
      kUsage,
      "write {\"eos_token\": \"<x>\"} into tokenizer_config.json first");
  for (const char* special :
       {"'<a>' '<a>'", "''", "a", "\xc4\x80", "$'\\xff\\xfe'"}) {
    refuses(std::string("tokenizer train --input text.jsonl --vocabulary 300 "
                        "--output new.json --special '<|endoftext|>' ") +
                special,
            kUsage,
            "special token");
  }
}

// The model draws anything: pieces of words, bytes of characters.
TEST_F(BadTokenizer, TextInPiecesIsTheTextAtOnce) {
  std::filesystem::copy(kSentencePiece, folder() / "spm.model");
  const Outcome made =
      dure("preprocess --input text.jsonl --tokenizer spm.model --output spm");
  if (made.errors.find("libsentencepiece-dev") != std::string::npos) {
    GTEST_SKIP() << "this build has no SentencePiece";
  }
  ASSERT_EQ(dure("train config.toml --set data.train=spm --set data.tokenizer="
                 "spm.model --set model.vocabulary=1000 --set "
                 "log.directory=spm_run")
                .exit_code,
            0);
  for (const char* seed : {"1", "2", "3"}) {
    const std::string arguments =
        std::string("--checkpoint spm_run --prompt 'the one' --seed ") + seed;
    const Json text = Json::parse(text_of(arguments + " --json"))["texts"][0];
    const auto shown = text["text"].get<std::string>();
    EXPECT_EQ(text_of(arguments), "the one" + shown + "\n");
    write("ids", text["tokens"].dump());
    const Outcome decoded =
        dure("tokenizer decode --tokenizer spm.model --file ids");
    EXPECT_TRUE(shown == decoded.output || shown == " " + decoded.output)
        << shown << " and " << decoded.output;
  }
}

// The model has more rows than the tokenizer has tokens, but every draw can be
// decoded.
TEST_F(BadTokenizer, OnlyTokensAreDrawn) {
  ASSERT_EQ(dure("train config.toml --set model.vocabulary=2000 --set "
                 "log.directory=padded")
                .exit_code,
            0);
  for (const char* options : {"--seed 1",
                              "--seed 2 --no-cache",
                              "--temperature 1e308",
                              "--top-k 5"}) {
    const Json result =
        Json::parse(text_of("--checkpoint padded --prompt ab --json --tokens "
                            "12 " +
                            std::string(options)));
    for (const int token : result["texts"][0]["tokens"]) {
      EXPECT_LT(token, 257);
    }
  }
}

TEST_F(BadTokenizer, LogitsThatAreNotFiniteAreAnError) {
  write_broken_model("nan", NAN);
  EXPECT_NE(
      error_of("generate --prompt ab --checkpoint nan", kFailed).find("NaN"),
      std::string::npos);
  write_broken_model("large", 3e38F);  // the sums overflow
  for (const std::string options : {"",
                                    " --temperature 0",
                                    " --no-cache",
                                    " --json",
                                    " --ranks 2 --pipeline 1"}) {
    EXPECT_NE(
        error_of("generate --prompt ab --checkpoint large" + options, kFailed)
            .find("after 2 tokens of prompt 1 are not finite"),
        std::string::npos);
  }
  EXPECT_NE(error_of("eval --checkpoint large --data ab --json", kFailed)
                .find("the loss is"),
            std::string::npos);
}

TEST_F(BadTokenizer, NumbersOfGenerationAreTakenToTheirLimitsOrRefused) {
  const std::string of = "generate --checkpoint run --prompt ab ";
  for (const char* options : {"--temperature nan",
                              "--temperature inf",
                              "--temperature=-1",
                              "--top-p 0",
                              "--top-p nan",
                              "--top-k=-1",
                              "--top-k 9223372036854775808",
                              "--seed 9223372036854775808",
                              "--seed=-1",
                              "--tokens 0",
                              "--tokens 9223372036854775808"}) {
    error_of(of + options, kUsage);
  }
  for (const char* options : {"--temperature 1e-300",
                              "--temperature 1e308",
                              "--top-p 1e-300",
                              "--top-k 9223372036854775807",
                              "--seed 9223372036854775807"}) {
    EXPECT_EQ(dure(of + "--tokens 3 " + options).exit_code, 0) << options;
  }
  // A text has as many tokens as the model has positions, and then it ends.
  const Json all = Json::parse(
      text_of("--checkpoint run --prompt ab --prompt abcd --json --tokens "
              "9223372036854775807"));
  EXPECT_LE(all["texts"][0]["tokens"].size(), 14U);
  EXPECT_LE(all["texts"][1]["tokens"].size(), 12U);
}

TEST_F(BadTokenizer, IdsThatAreNoneAreRefused) {
  for (const char* ids : {"257", "-1", "2147483647"}) {
    error_of(std::string("tokenizer decode --tokenizer bytes --text=") + ids,
             kFailed);
  }
  for (const char* ids :
       {"2147483648", "9223372036854775808", "nan", "1.0", "1e3"}) {
    error_of(std::string("tokenizer decode --tokenizer bytes --text=") + ids,
             kUsage);
  }
}

}  // namespace
}  // namespace dure
