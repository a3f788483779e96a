// User errors and failures around the program: each gives one clear line and
// the right exit code, and leaves nothing behind. Runs the real program.
#include <string>

#include <gtest/gtest.h>

#include "tests/trained_folder.h"

namespace dure {
namespace {

class BadInput : public TrainedFolder {};

TEST_F(BadInput, OfConfigurations) {
  const std::string train = "train config.toml --set log.directory=new --set ";
  refuses(train + "model.hiden=3", kUsage, "did you mean model.hidden?");
  refuses(train + "model.heads=5", kUsage, "wanted a multiple of model.heads");
  refuses(train + "train.steps=-1", kUsage, "train.steps: wanted");
  refuses(train + "train.steps=many", kUsage, "train.steps: wanted");
  refuses(train + "optimizer.name=adm", kUsage, "wanted one of");
  refuses(train + "optimizer.beta1=1.5", kUsage, "optimizer.beta1: wanted");
  refuses(train + "model.preset=gpt2-124", kUsage, "gpt2-124m");
  refuses("train absent.toml", kUsage, "absent.toml");
  write("broken.toml", "[model\n");
  refuses("train broken.toml", kUsage, "broken.toml:1");
  refuses("trian config.toml", kUsage, "did you mean train?");
}

TEST_F(BadInput, OfMeshes) {
  const std::string mesh = "mesh --world 16 ";
  refuses("mesh", kUsage, "--world");
  refuses("mesh --world 0", kUsage, "--world");
  refuses("mesh --world many", kUsage, "--world");
  refuses(mesh + "--tensor 3", kUsage, "these sizes take 15 or 18, and 16");
  refuses(mesh + "--tensor 2 --data 3", kUsage, "take tensor 2 x data 8");
  refuses(mesh + "--tensor -2", kUsage, "--tensor");
  refuses(mesh + "--data few", kUsage, "--data: wanted");
  refuses(mesh + "--order tp-dp", kUsage, "--order: wanted");
  refuses(mesh + "--nodes 3", kUsage, "no even share");
  refuses(mesh + "--nodes 'n[1-'", kUsage, "--nodes: wanted");
  refuses(mesh + "--nodes 2 --ranks-per-node 4", kUsage, "got 8 on 2");
  refuses(mesh + "--ranks-per-node '4(x'", kUsage, "--ranks-per-node: wanted");
  refuses(mesh + "--nodes 2 --distribution spread", kUsage, "--distribution:");
  refuses("train config.toml --set parallel.order=tp", kUsage, "every axis");
}

TEST_F(BadInput, OfTokenFiles) {
  const std::string train =
      "train config.toml --set log.directory=new --set data.train=";
  refuses(train + "absent", kFailed, "absent.idx");
  const std::string idx = read("text.idx");
  const std::string bin = read("text.bin");
  const auto damaged = [&](const std::string& bad_idx,
                           const std::string& bad_bin,
                           const std::string& said) {
    write("bad.idx", bad_idx);
    write("bad.bin", bad_bin);
    refuses(train + "bad", kFailed, said);
    refuses("eval --checkpoint run --data bad", kFailed, said);
  };
  damaged("", bin, "empty or truncated");
  damaged(idx.substr(0, 20), bin, "truncated");
  damaged(idx.substr(0, idx.size() / 2), bin, "truncated");
  damaged(idx.substr(0, idx.size() - 1), bin, "bad.idx");
  damaged("X" + idx.substr(1), bin, "bad.idx");
  damaged(idx, bin.substr(0, 100), "truncated");
  damaged(idx, "", "bad");
}

TEST_F(BadInput, OfDataThatDoesNotFitTheModel) {
  // It is found in the first step, when the run's log exists already.
  const Outcome outcome = dure(
      "train config.toml --set log.directory=begun --set model.vocabulary=99 "
      "--set data.tokenizer=''");
  EXPECT_EQ(outcome.exit_code, kFailed);
  EXPECT_NE(outcome.errors.find("the vocabulary has 99"), std::string::npos)
      << outcome.errors;
  EXPECT_FALSE(std::filesystem::exists(folder() / "begun" / "checkpoints"));
  refuses(
      "train config.toml --set log.directory=new --set data.sequence=9000 "
      "--set model.max_sequence=9000",
      kFailed,
      "less than the 9001 of one sample");
  refuses("eval --checkpoint run --data text --sequence 17",
          kUsage,
          "longer than the model's 16 positions");
}

TEST_F(BadInput, OfCheckpoints) {
  const std::string generate = "generate --prompt x --checkpoint ";
  const std::string model =
      read("run/checkpoints/step_00000002/model.safetensors");
  refuses(generate + "absent", kFailed, "absent");
  refuses("train config.toml", kUsage, "--resume");
  refuses(
      "train config.toml --resume --set model.hidden=32 --set train.steps=9",
      kFailed,
      "model.hidden is 16 there, wanted 32");
  std::filesystem::copy(folder() / "run/checkpoints/step_00000002",
                        folder() / "damaged");
  const auto damaged = [&](const std::string& text, const std::string& said) {
    write("damaged/model.safetensors", text);
    refuses(generate + "damaged", kFailed, said);
    refuses("checkpoint verify damaged", kFailed, "damaged");
  };
  damaged(model.substr(0, 100), "the manifest says");
  damaged("", "the manifest says");
  damaged(std::string(8, '\xff') + model.substr(8), "damaged");
  std::string flipped = model;
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  write("damaged/model.safetensors", flipped);
  refuses("checkpoint verify damaged", kFailed, "model.safetensors");
  write("damaged/manifest.json", "{}");
  refuses(generate + "damaged", kFailed, "manifest.json");
}

TEST_F(BadInput, OfPrompts) {
  const std::string generate = "generate --checkpoint run ";
  refuses(generate, kUsage, "--prompt");
  refuses(generate + "--prompt 0123456789abcdef", kUsage, "16 positions");
  refuses(generate + "--prompt x --temperature -1", kUsage, "temperature");
  refuses(generate + "--prompt x --top-p 2", kUsage, "top-p");
}

TEST_F(BadInput, OfText) {
  const auto preprocess = [](const std::string& input) {
    return "preprocess --tokenizer bytes --output new --input " + input;
  };
  refuses(preprocess("absent"), kFailed, "absent");
  write("number.jsonl", "{\"text\": \"a\"}\n{\"text\": 5}\n");
  refuses(preprocess("number.jsonl"), kFailed, "number.jsonl:2");
  write("cut.jsonl", "{\"text\": \"a");
  refuses(preprocess("cut.jsonl"), kFailed, "cut.jsonl:1");
  write("other.jsonl", "{\"body\": \"a\"}\n");
  refuses(preprocess("other.jsonl"), kFailed, "text");
  write("empty.jsonl", "");
  refuses(preprocess("empty.jsonl"), kFailed, "empty.jsonl");
  refuses("preprocess --tokenizer bytes --output /proc/new --input text.jsonl",
          kFailed,
          "/proc/new");
}

TEST_F(BadInput, OfTokenizersAndForeignModels) {
  write("tokenizer.json", "no JSON");
  for (const char* spec : {"tokenizer.json", "absent"}) {
    refuses(std::string("preprocess --input text.jsonl --output new "
                        "--tokenizer ") +
                spec,
            kFailed,
            spec);
  }
  refuses(
      "tokenizer train --input text.jsonl --vocabulary 10 --output new.json",
      kUsage,
      "at least 257");
  make_directories(folder() / "foreign");
  write("foreign/config.json", "{\"model_type\": \"bloom\"}");
  refuses("convert --from hf foreign --to dure new", kFailed, "bloom");
  write("foreign/config.json", "{");
  refuses("convert --from hf foreign --to dure new", kFailed, "config.json");
  refuses("convert --from hf absent --to dure new", kFailed, "absent");
}

// A limit on the size of files stands for a full disk: writing fails half way.
TEST_F(BadInput, OfAFullDisk) {
  const std::string limit = "trap '' XFSZ && ulimit -f 1";
  refuses("preprocess --input text.jsonl --tokenizer bytes --output new",
          kFailed,
          "can't write",
          limit);
  refuses("convert --from dure run --to hf new", kFailed, "can't write", limit);
  refuses(
      "tokenizer train --input text.jsonl --vocabulary 300 --output "
      "new.json",
      kFailed,
      "can't write",
      limit);
  // A run finds it before it begins.
  refuses("train config.toml --set log.directory=new",
          kFailed,
          "raise ulimit -f",
          limit);
}

}  // namespace
}  // namespace dure
