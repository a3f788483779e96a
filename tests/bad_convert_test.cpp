// Models that go from one program to another: what can't be the same there is
// an error that names it, and what can't be expressed there a warning. Runs the
// real program.
#include <string>

#include <gtest/gtest.h>

#include "tests/trained_folder.h"

namespace dure {
namespace {

class BadConvert : public TrainedFolder {
 protected:
  // Converts the trained model to GPT-2 in `name`, anew.
  static void convert(const std::string& name, const std::string& more = "") {
    std::filesystem::remove_all(folder() / name);
    const Outcome outcome =
        dure("convert --from dure run --to hf " + name + " " + more);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  }

  static void replace(const std::string& file,
                      const std::string& from,
                      const std::string& to) {
    std::string text = read(file);
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << text;
    write(file, text.replace(at, from.size(), to));
  }
};

bool says(const std::string& text, const std::string& said) {
  return text.find(said) != std::string::npos;
}

TEST_F(BadConvert, OfKeysThatWouldChangeResults) {
  convert("plain");
  const std::string config = read("plain/config.json");
  const std::string eval = "eval --checkpoint plain --data text --samples 2";
  EXPECT_EQ(dure(eval).exit_code, 0);
  for (const char* key :
       {"sliding_window", "attention_head_type", "x\\u001b"}) {
    write("plain/config.json", config);
    replace("plain/config.json", "{", "{\"" + std::string(key) + "\": 8,");
    refuses(eval, kFailed, "is 8, which Dure does not have");
  }
  write("plain/config.json", config);
  replace("plain/config.json", "\"gelu_new\"", "\"relu\"");
  refuses(eval, kFailed, "activation_function is \"relu\"");
  refuses("convert --from hf plain --to dure out", kFailed, "\"relu\"");
}

TEST_F(BadConvert, OfDropoutsThatHaveNoPlaceThere) {
  const std::string rates =
      " --set model.dropout=0.1 --set model.attention_dropout=0.2 "
      "--set train.steps=1 --set log.directory=";
  ASSERT_EQ(dure("train config.toml" + rates + "gpt").exit_code, 0);
  Outcome outcome = dure("convert --from dure gpt --to hf gpt-hf");
  EXPECT_EQ(outcome.errors, "");
  const std::string config = read("gpt-hf/config.json");
  EXPECT_TRUE(says(config, "\"embd_pdrop\": 0.1,")) << config;
  EXPECT_TRUE(says(config, "\"attn_pdrop\": 0.2,")) << config;
  EXPECT_TRUE(says(config, "\"resid_pdrop\": 0.1,")) << config;
  EXPECT_EQ(dure("convert --from hf gpt-hf --to dure gpt-back").exit_code, 0);
  const std::string manifest = read("gpt-back/manifest.json");
  EXPECT_TRUE(says(manifest, "\"attention_dropout\": 0.2,")) << manifest;
  EXPECT_TRUE(says(manifest, "\"hidden_dropout\": 0.1,")) << manifest;

  ASSERT_EQ(dure("train config.toml --set model.family=llama" + rates + "llama")
                .exit_code,
            0);
  outcome = dure("convert --from dure llama --to hf llama-hf");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(says(outcome.errors, "warning: model.hidden_dropout is 0.1"))
      << outcome.errors;
  outcome = dure("convert --from dure llama --to hf llama-json --json");
  EXPECT_TRUE(says(outcome.output, "\"model.hidden_dropout is 0.1"))
      << outcome.output;
}

TEST_F(BadConvert, OfWeightsThatTheNewTypeDoesNotHold) {
  // An update of AdamW moves a weight by about the learning rate.
  ASSERT_EQ(dure("train config.toml --set train.steps=1 --set "
                 "optimizer.learning_rate=1e6 --set optimizer.decay=constant "
                 "--set log.directory=wide")
                .exit_code,
            0);
  for (const char* kind : {"hf", "dure"}) {
    refuses("convert --from dure wide --to " + std::string(kind) +
                " narrow --dtype f16",
            kFailed,
            "the largest that F16 holds");
  }
  convert("narrow", "--dtype bf16");
}

TEST_F(BadConvert, OfNumbersThatF32DoesNotHold) {
  const std::string train = "train config.toml --set log.directory=new --set ";
  for (const char* set : {"optimizer.epsilon=1e-320",
                          "optimizer.learning_rate=1e-50",
                          "optimizer.minimum_learning_rate=1e-60",
                          "optimizer.weight_decay=1e-40",
                          "optimizer.clip_gradient=1e300",
                          "optimizer.beta2=0.99999999999",
                          "model.norm_epsilon=1e-60",
                          "model.attention_dropout=1e-50",
                          "model.dropout=0.99999999999",
                          "model.init_std=1e-46"}) {
    refuses(train + set, kUsage, "that f32 holds");
  }
}

}  // namespace
}  // namespace dure
