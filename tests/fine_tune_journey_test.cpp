// From Hugging Face's files, over a run with one's own text, and back, with the
// real program, as in docs/fine_tuning.md.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <string>

#include <gtest/gtest.h>

#include "tests/trained_folder.h"

namespace dure {
namespace {

using testing::HasSubstr;

class FineTuneJourney : public TrainedFolder {
 protected:
  static void must(const std::string& command) {
    const Outcome outcome = dure(command);
    ASSERT_EQ(outcome.exit_code, 0) << command << outcome.errors;
  }
};

// The folder of somebody's model has a tokenizer of its own, and files that
// Dure does not use but keeps.
TEST_F(FineTuneJourney, GoesFromHuggingFaceAndBackAgain) {
  ASSERT_EQ(shell("mkdir -p mine").exit_code, 0);
  must(
      "tokenizer train --input text.jsonl --vocabulary 300 --output "
      "mine/tokenizer.json");
  must("preprocess --input text.jsonl --tokenizer mine --output mine/text");
  must(
      "train config.toml --set model.vocabulary=300 --set "
      "data.tokenizer=mine --set data.train=mine/text --set "
      "log.directory=made");
  must("convert --from dure made --to hf theirs");
  const auto loads =
      nlohmann::json::parse(read("theirs/tokenizer_config.json"));
  EXPECT_EQ(loads.at("tokenizer_class"), "PreTrainedTokenizerFast");
  EXPECT_EQ(loads.at("eos_token"), "<|endoftext|>");
  const auto theirs = nlohmann::json::parse(read("theirs/config.json"));
  EXPECT_TRUE(theirs.at("eos_token_id").is_number_integer());
  write("theirs/chat_template.jinja", "{{ messages }}");
  write("theirs/generation_config.json",
        "{\"eos_token_id\": [" + theirs.at("eos_token_id").dump() + ", 7]}");

  must("preprocess --input text.jsonl --tokenizer theirs --output own");
  write("tune.toml",
        "[data]\ntrain = \"own\"\nsequence = 16\n"
        "[train]\nfrom = \"theirs\"\nsteps = 2\nglobal_batch = 2\n"
        "[log]\ndirectory = \"tuned\"\n");
  must("plan model tune.toml");
  must("train tune.toml --ranks 2");
  must("generate --checkpoint tuned/checkpoints --prompt one --tokens 3");
  must("convert --from dure tuned --to hf back");
  for (const char* file : {"tokenizer.json",
                           "tokenizer_config.json",
                           "chat_template.jinja",
                           "generation_config.json",
                           "config.json"}) {
    EXPECT_EQ(read(std::string("back/") + file),
              read(std::string("theirs/") + file))
        << file;
  }
  must("eval --checkpoint back --data own --samples 2");
  // Existing checkpoints are for --resume to go on with, or stay untouched.
  refuses("train tune.toml", kUsage, "already holds checkpoints");
  must("train tune.toml --resume --set train.steps=3");
}

// The maker's model stops at each of its ids.
TEST_F(FineTuneJourney, TextsEndAsTheModelsFilesSay) {
  must("convert --from dure run --to hf ends");
  const std::string generate =
      "generate --checkpoint ends --tokenizer bytes --prompt one --tokens 4 "
      "--temperature 0 --json";
  const auto tokens_of = [](const std::string& command) {
    return nlohmann::json::parse(dure(command).output)
        .at("texts")[0]
        .at("tokens");
  };
  const auto all = tokens_of(generate);
  ASSERT_EQ(all.size(), 4U);
  write("ends/generation_config.json",
        "{\"eos_token_id\": [255, " + all[0].dump() + "]}");
  // The ids of another tokenizer are not the model's.
  EXPECT_EQ(tokens_of(generate), all);
  // The run's own files say "bytes".
  ASSERT_EQ(shell("cp -r run/checkpoints/step_00000002 whole && cp "
                  "ends/generation_config.json whole")
                .exit_code,
            0);
  const auto until_end = tokens_of(
      "generate --checkpoint whole --prompt one --tokens 4 --temperature 0 "
      "--json");
  EXPECT_TRUE(until_end.empty()) << until_end;
}

TEST_F(FineTuneJourney, SaysWhatIsWrongWithItsSource) {
  write("from.toml",
        "[data]\ntrain = \"text\"\n[train]\nsteps = 1\n"
        "[log]\ndirectory = \"never\"\n");
  refuses("train from.toml --set train.from=nowhere",
          kFailed,
          "train.from: nowhere is no folder");
  refuses("train from.toml --set train.from=run --set model.layers=2",
          kUsage,
          "train.from = \"run\": model.layers is 1 there, wanted 2");
  refuses("plan model from.toml --set train.from=nowhere",
          kFailed,
          "train.from: nowhere is no folder");
  refuses("train from.toml --set train.from=run --set log.directory=run",
          kUsage,
          "saves its own checkpoints");
  EXPECT_FALSE(std::filesystem::exists(folder() / "never"));
}

}  // namespace
}  // namespace dure
