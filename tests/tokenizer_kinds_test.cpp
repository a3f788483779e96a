// The kinds of tokenizers that a tokenizer.json can have, in the program
// itself: from a text to tokens, a model, its checkpoint, and text again.
#include <nlohmann/json.hpp>
#include <string>

#include "tests/trained_folder.h"

namespace dure {
namespace {

using Json = nlohmann::json;

const Path kPipelines =
    std::filesystem::absolute("tests/golden/tokenizer/pipelines");

class TokenizerKinds : public TrainedFolder,
                       public testing::WithParamInterface<const char*> {
 protected:
  const std::string kind = GetParam();
  const std::string tokenizer = (kPipelines / kind).string();
  const Json golden = Json::parse(read_file(kPipelines / kind / "golden.json"));

  static std::string output_of(const std::string& arguments) {
    const Outcome outcome = dure(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << arguments << outcome.errors;
    return outcome.output;
  }

  void train() const {
    output_of("preprocess --input text.jsonl --tokenizer " + tokenizer +
              " --output " + kind);
    output_of("train config.toml --set data.train=" + kind +
              " --set data.tokenizer=" + tokenizer +
              " --set model.vocabulary=" + golden["vocabulary"].dump() +
              " --set log.directory=" + kind + "_run");
  }
};

INSTANTIATE_TEST_SUITE_P(Pipelines,
                         TokenizerKinds,
                         testing::Values("qwen2", "llama2", "albert"),
                         [](const auto& name) { return name.param; });

TEST_P(TokenizerKinds, EncodeAndDecodeOnTheCommandLine) {
  const Json& strings = Json::parse(read_file(kPipelines / "strings.json"));
  std::size_t at = 0;
  while (strings[at] != "Hello, world!") {
    ++at;
  }
  const Json& row = golden["strings"][at];
  const std::string ids = output_of(
      "tokenizer encode --text 'Hello, world!' "
      "--tokenizer " +
      tokenizer);
  std::string wanted;
  for (const Json& id : row["ids"]) {
    wanted += (wanted.empty() ? "" : " ") + id.dump();
  }
  EXPECT_EQ(ids, wanted + "\n");
  EXPECT_EQ(output_of("tokenizer decode --text '" + wanted + "' --tokenizer " +
                      tokenizer),
            row.value("text", "Hello, world!"));
}

TEST_P(TokenizerKinds, GoWithAModelFromItsTrainingToItsText) {
  train();
  const std::string prompt = " --prompt 'one line' --tokens 12 --seed 3";
  const std::string own =
      output_of("generate --checkpoint " + kind + "_run" + prompt);
  EXPECT_EQ(own.substr(0, 8), "one line");
  output_of("convert --from dure " + kind + "_run --to hf " + kind + "_hf");
  EXPECT_EQ(read(kind + "_hf/tokenizer.json"),
            read_file(kPipelines / kind / "tokenizer.json"));
  EXPECT_EQ(output_of("generate --checkpoint " + kind + "_hf" + prompt), own);
}

}  // namespace
}  // namespace dure
