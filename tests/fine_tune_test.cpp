// train.from: a run that starts from the weights of another.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/huggingface.h"
#include "dure/checkpoint/import.h"
#include "dure/checkpoint/sharded/load_weights.h"
#include "dure/config/load_config.h"
#include "dure/data/build_datasets.h"
#include "dure/launch/run_ranks.h"
#include "dure/run/run.h"
#include "dure/train/trainer.h"
#include "tests/small_run.h"

namespace dure {
namespace {

using testing::HasSubstr;
using train::Config;
using train::Start;

struct FineTune : testing::Test {
  Path folder = std::filesystem::temp_directory_path() /
                ("dure_fine_tune_" + std::to_string(::getpid()));

  void SetUp() override {
    std::filesystem::remove_all(folder);
    make_directories(folder);
    write_small_text((folder / "text").string());
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string path(const std::string& name) const {
    return (folder / name).string();
  }

  // The configuration of a run into folder/NAME.
  Config config(const std::string& name,
                const Config& of_model = small_gpt()) const {
    Config config = of_model;
    config.data.train = {path("text")};
    config.train.global_batch = 8;
    config.train.micro_batch = 1;
    config.train.steps = 3;
    config.parallel.sums = comm::SumOrder::kRanked;
    config.parallel.bucket_mb = 0.02;
    config.log.directory = path(name);
    return train::resolve(config);
  }

  // A configuration that starts from other weights, with other samples.
  Config tuned(const std::string& name,
               const std::string& from,
               const Config& of_model = small_gpt()) const {
    Config tuned = config(name, of_model);
    tuned.train.from = from;
    tuned.train.seed = 7;
    return tuned;
  }

  static void train(const Config& config, Start start = Start::kNew) {
    train::run_training(config, {.start = start});
  }

  // Trains on as many thread ranks as the layout takes.
  static void train_on_ranks(const Config& config, Start start = Start::kNew) {
    launch::run_ranks(
        {.ranks = static_cast<int>(train::ranks_of(config.parallel))},
        [&](comm::Communicator& world) {
          train::run_training(config, {.start = start, .world = &world});
        });
  }

  static std::string error_of(const Config& config, Start start = Start::kNew) {
    try {
      train(config, start);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  Path checkpoint(const std::string& name, std::int64_t step = 3) const {
    return checkpoint::step_folder(folder / name / "checkpoints", step);
  }
  std::string weights(const std::string& name, std::int64_t step = 3) const {
    return read_file(checkpoint(name, step) / "model.safetensors");
  }
  nlohmann::json first_line(const std::string& name) const {
    const std::string text = read_file(folder / name / "metrics.jsonl");
    return nlohmann::json::parse(text.substr(0, text.find('\n')));
  }
};

// A step that changes nothing keeps the loaded weights, wherever they were.
Config without_steps(Config config) {
  config.optimizer.learning_rate = 1e-30;  // below half a unit of any weight
  config.optimizer.minimum_learning_rate = 0;
  config.optimizer.weight_decay = 0;
  config.train.steps = 1;
  return config;
}

struct Shape {
  std::int64_t tensor = 1;
  std::int64_t pipeline = 1;
  std::int64_t data = 1;
  std::int64_t zero = 0;
};

Config laid_out(Config config, const Shape& shape) {
  config.parallel.tensor = shape.tensor;
  config.parallel.pipeline = shape.pipeline;
  config.parallel.data = shape.data;
  config.parallel.zero = shape.zero;
  return config;
}

constexpr Shape kShapes[] = {
    {.data = 2, .zero = 0},
    {.data = 4, .zero = 3},
    {.pipeline = 2, .data = 2, .zero = 1},
    {.tensor = 2, .pipeline = 2, .data = 2, .zero = 0},
    {.tensor = 2, .pipeline = 2, .data = 2, .zero = 1},
    {.tensor = 2, .pipeline = 2, .data = 2, .zero = 2},
    {.tensor = 2, .pipeline = 2, .data = 2, .zero = 3}};

std::string name_of(const Shape& shape) {
  return fmt::format(
      "t{}p{}d{}z{}", shape.tensor, shape.pipeline, shape.data, shape.zero);
}

TEST_F(FineTune, LoadsTheWeightsAsTheyAreInAnyLayout) {
  train(config("base"));
  for (const Shape& shape : kShapes) {
    const std::string name = name_of(shape);
    SCOPED_TRACE(name);
    train_on_ranks(laid_out(without_steps(tuned(name, path("base"))), shape));
    EXPECT_EQ(weights(name, 1), weights("base"));
  }
}

// Weights are those of one rank, or of as many tensor ranks, bit for bit.
TEST_F(FineTune, TrainsTheSameInAnyLayout) {
  train(config("base"));
  train(tuned("one", path("base")));
  train_on_ranks(laid_out(tuned("two", path("base")), {.tensor = 2}));
  EXPECT_NE(weights("one"), weights("base"));
  for (const Shape& shape : kShapes) {
    const std::string name = name_of(shape);
    SCOPED_TRACE(name);
    train_on_ranks(laid_out(tuned(name, path("base")), shape));
    EXPECT_EQ(weights(name), weights(shape.tensor == 1 ? "one" : "two"));
  }
}

// The first step's loss is that of an evaluation of the source on the same
// samples. Losses are exact sums, so there is no tolerance.
TEST_F(FineTune, BeginsAtTheLossOfItsSource) {
  train(config("base"));
  const Config of_tuned = tuned("a", path("base"));
  train(of_tuned);
  const data::Datasets data = data::build_datasets(
      of_tuned.data, {.samples = {.train = 24}, .seed = 7, .vocabulary = 61});
  train::Rank rank({});
  train::Trainer source(rank, of_tuned);
  train::load_weights(rank,
                      source.rank_model(),
                      checkpoint::CheckpointWeights(checkpoint("base")));
  EXPECT_EQ(first_line("a").at("loss").get<double>(),
            source.evaluate(*data.train, 8).value());
  EXPECT_EQ(first_line("a").at("step"), 1);
  const auto trainer =
      nlohmann::json::parse(read_file(checkpoint("a") / "trainer.json"));
  EXPECT_EQ(trainer.at("from"), checkpoint("base").string());
  EXPECT_EQ(trainer.at("updates"), 3);
}

// Optimizer states and positions are its own: a run that gets the same weights
// in another way has the same.
TEST_F(FineTune, TakesNothingButTheWeights) {
  train(config("base"));
  checkpoint::write_checkpoint(
      checkpoint::CheckpointWeights(checkpoint("base")), folder / "alone");
  train(tuned("a", path("base")));
  train(tuned("b", path("alone")));
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    EXPECT_EQ(read_file(checkpoint("a") / file),
              read_file(checkpoint("b") / file))
        << file;
  }
}

TEST_F(FineTune, StartsFromHuggingFacesFiles) {
  for (const char* name : {"gpt2", "gpt2-f16-sharded", "llama-bf16"}) {
    SCOPED_TRACE(name);
    const std::string from = fmt::format("tests/golden/{}", name);
    const checkpoint::HuggingFaceWeights source(from);
    Config of_model = small_gpt();
    of_model.model = source.config();
    of_model.model.dropout = 0;
    const Config one = tuned(name, from, of_model);
    train(without_steps(one));
    const checkpoint::CheckpointWeights here(checkpoint(name, 1));
    for (const char* weight :
         {"embedding.token.weight", "blocks.1.attention.qkv.weight"}) {
      const auto elements = static_cast<std::size_t>(
          checkpoint::elements_of(here.reader().model().at(weight).shape));
      std::vector<float> wanted(elements);
      std::vector<float> found(elements);
      source.read(weight, wanted);
      here.read(weight, found);
      EXPECT_EQ(found, wanted) << weight;
    }
    Config ranks = one;
    ranks.log.directory = path(fmt::format("{}-ranks", name));
    ranks.checkpoint.directory.clear();
    ranks = without_steps(train::resolve(ranks));
    train_on_ranks(
        laid_out(ranks, {.tensor = 2, .pipeline = 2, .data = 2, .zero = 3}));
    EXPECT_EQ(weights(fmt::format("{}-ranks", name), 1), weights(name, 1));
  }
}

// The machine is as if it had died after the second checkpoint; the source is
// gone.
TEST_F(FineTune, GoesOnWithoutItsSource) {
  train(config("base"));
  Config whole = tuned("whole", path("base"));
  whole.checkpoint.every = 1;
  Config cut = tuned("cut", path("base"));
  cut.checkpoint.every = 1;
  train(whole);
  train(cut);
  std::filesystem::remove_all(checkpoint("cut", 3));
  std::filesystem::rename(folder / "base", folder / "moved");
  train(cut, Start::kResume);
  EXPECT_EQ(weights("cut"), weights("whole"));
  EXPECT_EQ(nlohmann::json::parse(read_file(checkpoint("cut") / "trainer.json"))
                .at("from"),
            checkpoint("base").string());
  EXPECT_THAT(error_of(cut, Start::kRestart), HasSubstr("is no folder"));
  std::filesystem::rename(folder / "moved", folder / "base");
  train(cut, Start::kRestart);
  EXPECT_EQ(weights("cut"), weights("whole"));
}

TEST_F(FineTune, BeginsFromItsSourceWhereThereIsNothingToGoOnFrom) {
  train(config("base"));
  train(tuned("a", path("base")));
  train(tuned("b", path("base")), Start::kResume);
  EXPECT_EQ(weights("a"), weights("b"));
}

TEST_F(FineTune, RefusesDamagedWeightsBeforeItsFirstStep) {
  train(config("base"));
  const Path file = checkpoint("base") / "model.safetensors";
  std::string text = read_file(file);
  text[text.size() - 100] = static_cast<char>(text[text.size() - 100] ^ 64);
  write_file_atomically(file, text);
  EXPECT_THAT(error_of(tuned("a", checkpoint("base").string())),
              HasSubstr("model.safetensors is damaged"));
  EXPECT_THAT(error_of(tuned("a", path("base"))),
              HasSubstr("holds no whole checkpoint"));
  EXPECT_FALSE(std::filesystem::exists(folder / "a" / "metrics.jsonl"));
}

TEST_F(FineTune, RefusesItsOwnCheckpointsAsASource) {
  train(config("base"));
  for (const std::string& from : {path("base"),
                                  path("base/checkpoints"),
                                  path("base/checkpoints/"),
                                  checkpoint("base").string()}) {
    for (const Start start : {Start::kNew, Start::kRestart}) {
      EXPECT_THAT(error_of(tuned("base", from), start),
                  HasSubstr("saves its own checkpoints"))
          << from;
    }
  }
  EXPECT_TRUE(std::filesystem::exists(checkpoint("base")));
}

TEST_F(FineTune, RefusesWeightsOfAnotherModel) {
  train(config("base"));
  Config other = tuned("a", path("base"));
  other.model.hidden = 64;
  other.model.ffn_hidden = 0;
  EXPECT_THAT(error_of(train::resolve(other)),
              HasSubstr("model.hidden is 32 there, wanted 64"));
}

// The keys of [model], as a configuration file has them.
struct FineTuneConfig : FineTune {
  train::LoadedConfig load(const std::string& more,
                           Start start = Start::kNew) const {
    write_file_atomically(folder / "run.toml",
                          "[train]\nfrom = \"" + path("base") +
                              "\"\n[log]\ndirectory = \"" + path("a") + "\"\n" +
                              more);
    return train::load_config(path("run.toml"), {}, start);
  }
  std::string refusal_of(const std::string& more) const {
    try {
      load(more);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "no UsageError";
  }
};

TEST_F(FineTuneConfig, TakesTheModelFromTheSource) {
  Config base = config("base", small_llama());
  base.model.dropout = 0.1;
  train(base);
  EXPECT_EQ(load("").config.model, base.model);
  EXPECT_EQ(load("[model]\nhidden = 32\nkv_heads = 2\n").config.model,
            base.model);
  // Settings that no weight depends on may differ.
  const Config longer =
      load("[model]\nmax_sequence = 64\nrope_theta = 50000.0\ndropout = 0.2\n")
          .config;
  EXPECT_EQ(longer.model.max_sequence, 64);
  EXPECT_EQ(longer.model.rope_theta, 50000);
  EXPECT_EQ(longer.model.dropout.hidden, 0.2);
  EXPECT_EQ(longer.data.sequence, 64);
  for (const auto& [more, said] :
       std::vector<std::pair<std::string, std::string>>{
           {"[model]\nhidden = 64\n", "model.hidden is 32 there, wanted 64"},
           {"[model]\nfamily = \"gpt\"\n", "model.family is \"llama\" there"},
           {"[model]\nkv_heads = 4\n", "model.kv_heads is 2 there, wanted 4"},
           {"[model]\nnorm_epsilon = 1e-6\n", "model.norm_epsilon"},
           {"[model]\npreset = \"gpt2-124m\"\n", "model.family"}}) {
    EXPECT_THAT(refusal_of(more),
                testing::AllOf(HasSubstr("train.from = "), HasSubstr(said)));
  }
  // Each position of GPT-2 has a weight.
  std::filesystem::remove_all(folder / "base");
  train(config("base"));
  EXPECT_THAT(refusal_of("[model]\nmax_sequence = 64\n"),
              HasSubstr("model.max_sequence is 16 there, wanted 64"));
}

TEST_F(FineTuneConfig, GoesOnWithItsOwnModelWhereverTheSourceIs) {
  train(config("base"));
  train(tuned("a", path("base")));
  std::filesystem::remove_all(folder / "base");
  EXPECT_EQ(load("", Start::kResume).config.model, config("a").model);
  EXPECT_THROW(load(""), Error);
  // A report reads only files that a run has written.
  EXPECT_EQ(train::parse_config("[train]\nfrom = \"gone\"\n", "c", {})
                .config.train.from,
            "gone");
}

// A source with a tokenizer of the 256 bytes and three tokens.
struct FineTuneTokenizer : FineTune {
  void SetUp() override {
    FineTune::SetUp();
    write_tokenizer("base-tokenizer", "abc");
    Config base = small();
    base.log.directory = path("base");
    base.checkpoint.directory.clear();
    base.data.tokenizer = path("base-tokenizer");
    train(train::resolve(base));
  }

  Config small() const {
    Config config = this->config("a");
    config.model.vocabulary = 300;
    config.train.steps = 1;
    return config;
  }

  // Writes byte-level BPE without merges, of the bytes and the added tokens.
  void write_tokenizer(const std::string& name, const std::string& added) {
    make_directories(folder / name);
    nlohmann::json vocabulary = nlohmann::json::object();
    int id = 0;
    for (int byte = 0; byte < 256; ++byte) {
      vocabulary[visible(byte)] = id++;
    }
    nlohmann::json tokens = nlohmann::json::array();
    for (const char letter : added) {
      tokens.push_back({{"id", id++},
                        {"content", std::string("<") + letter + ">"},
                        {"single_word", false},
                        {"lstrip", false},
                        {"rstrip", false},
                        {"normalized", false},
                        {"special", true}});
    }
    const nlohmann::json tokenizer = {{"version", "1.0"},
                                      {"added_tokens", tokens},
                                      {"normalizer", nullptr},
                                      {"pre_tokenizer",
                                       {{"type", "ByteLevel"},
                                        {"add_prefix_space", false},
                                        {"use_regex", true}}},
                                      {"post_processor", nullptr},
                                      {"decoder", {{"type", "ByteLevel"}}},
                                      {"model",
                                       {{"type", "BPE"},
                                        {"vocab", vocabulary},
                                        {"merges", nlohmann::json::array()}}}};
    write_file_atomically(folder / name / "tokenizer.json", tokenizer.dump());
  }

  // GPT-2's character for a byte, in UTF-8.
  static std::string visible(int byte) {
    int code = byte;
    const auto is_shown = [](int b) {
      return (b > 32 && b < 127) || (b > 160 && b != 173);
    };
    if (!is_shown(byte)) {
      code = 256;
      for (int other = 0; other < byte; ++other) {
        code += is_shown(other) ? 0 : 1;
      }
    }
    if (code < 128) {
      return std::string(1, static_cast<char>(code));
    }
    return {static_cast<char>(0xC0 | code >> 6),
            static_cast<char>(0x80 | (code & 0x3F))};
  }

  Config next(const std::string& tokenizer = "") const {
    Config config = small();
    config.train.from = path("base");
    config.train.seed = 7;
    config.data.tokenizer = tokenizer.empty() ? "" : path(tokenizer);
    return config;
  }
};

TEST_F(FineTuneTokenizer, IsTheSourcesUnlessAnotherIsNamed) {
  train(next());
  EXPECT_EQ(read_file(checkpoint("a", 1) / "tokenizer.json"),
            read_file(folder / "base-tokenizer" / "tokenizer.json"));
  std::filesystem::remove_all(folder / "a");
  EXPECT_EQ(error_of(next("base-tokenizer")), "no error");
  // More ids change no meaning; other ids do.
  write_tokenizer("more", "abcd");
  std::filesystem::remove_all(folder / "a");
  EXPECT_EQ(error_of(next("more")), "no error");
  write_tokenizer("other", "abd");
  std::filesystem::remove_all(folder / "a");
  EXPECT_THAT(error_of(next("other")),
              testing::AllOf(HasSubstr("id 258 is \"<c>\" there, and is "
                                       "\"<d>\" here"),
                             HasSubstr("[\"tokenizer\"]")));
  Config meant = next("other");
  meant.checkpoint.accept_changed = {"tokenizer"};
  EXPECT_EQ(error_of(meant), "no error");
}

TEST_F(FineTuneTokenizer, GoesOnWithIt) {
  train(next());
  std::filesystem::remove_all(folder / "base");
  Config more = next();
  more.train.steps = 2;
  more.optimizer.decay_steps = 1;
  train(more, Start::kResume);
  EXPECT_TRUE(std::filesystem::exists(checkpoint("a", 2) / "tokenizer.json"));
}

}  // namespace
}  // namespace dure
