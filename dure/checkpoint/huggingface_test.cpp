#include "dure/checkpoint/huggingface.h"

#include <algorithm>
#include <gmock/gmock.h>

#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/elements.h"
#include "dure/checkpoint/huggingface_config.h"
#include "dure/checkpoint/safetensors_writer.h"
#include "dure/checkpoint/scratch_folder.h"
#include "dure/model/weights.h"

namespace dure::checkpoint {
namespace {

using testing::HasSubstr;

const Path kGolden = "tests/golden";

std::vector<float> read_floats(const WeightSource& source,
                               const std::string& name,
                               std::size_t elements) {
  std::vector<float> values(elements);
  source.read(name, values);
  return values;
}

// Every tensor of `a` is in `b`, byte for byte.
void expect_same_tensors(const TensorFiles& a, const TensorFiles& b) {
  ASSERT_EQ(a.names(), b.names());
  for (const std::string& name : a.names()) {
    const TensorEntry& x = a.at(name);
    const TensorEntry& y = b.at(name);
    EXPECT_EQ(x.dtype, y.dtype) << name;
    EXPECT_EQ(x.shape, y.shape) << name;
    EXPECT_TRUE(std::equal(
        x.bytes.begin(), x.bytes.end(), y.bytes.begin(), y.bytes.end()))
        << name;
  }
}

struct HuggingFace : ScratchFolder {};

TEST_F(HuggingFace, EveryFixtureIsWrittenAsItWasRead) {
  for (const char* name : {"gpt2",
                           "gpt2-bf16",
                           "gpt2-f16-sharded",
                           "llama",
                           "llama-bf16",
                           "llama-f16-sharded"}) {
    SCOPED_TRACE(name);
    const HuggingFaceWeights source(kGolden / name);
    write_huggingface(source, folder() / name);
    expect_same_tensors(TensorFiles(kGolden / name),
                        TensorFiles(folder() / name));
    EXPECT_EQ(HuggingFaceWeights(folder() / name).config(), source.config());
  }
}

TEST_F(HuggingFace, StretchesAreOfTheWholeWeight) {
  for (const char* name : {"gpt2", "llama-bf16"}) {
    const HuggingFaceWeights source(kGolden / name);
    const std::string weight = "blocks.1.attention.projection.weight";
    const auto whole = read_floats(source, weight, 32 * 32);
    std::vector<float> some(50, 0.5F);
    const std::vector<mesh::Stretch> wanted = {{0, 1000, 24}, {30, 33, 20}};
    source.read_stretches(weight, wanted, some);
    for (const mesh::Stretch& s : wanted) {
      EXPECT_TRUE(std::equal(some.begin() + s.local,
                             some.begin() + s.local + s.length,
                             whole.begin() + s.global));
    }
    EXPECT_EQ(some[24], 0.5F);
  }
}

TEST_F(HuggingFace, StretchesOfAFileBecomeFloats) {
  const SafetensorsFile file(kGolden / "llama-bf16" / "model.safetensors");
  const std::string name = "model.layers.1.self_attn.o_proj.weight";
  const auto whole = to_floats(file.at(name));
  std::vector<float> some(20);
  const mesh::Stretch wanted = {2, 33, 18};
  read_stretches(file, name, {&wanted, 1}, some);
  EXPECT_TRUE(std::equal(some.begin() + 2, some.end(), whole.begin() + 33));
}

TEST_F(HuggingFace, SmallShardsHoldTheSameTensors) {
  const HuggingFaceWeights source(kGolden / "llama");
  write_huggingface(source, folder() / "a", {.shard_bytes = 20'000});
  EXPECT_FALSE(std::filesystem::exists(folder() / "a" / "model.safetensors"));
  const auto begin = std::filesystem::directory_iterator(folder() / "a");
  EXPECT_GT(std::distance(begin, {}), 6);  // 124 kB, config and index
  expect_same_tensors(TensorFiles(kGolden / "llama"),
                      TensorFiles(folder() / "a"));
}

TEST_F(HuggingFace, AnotherDtypeIsWhatTheFixtureRoundsTo) {
  for (const char* family : {"gpt2", "llama"}) {
    const HuggingFaceWeights source(kGolden / family);
    write_huggingface(source, folder() / family, {.dtype = FileDtype::kBf16});
    expect_same_tensors(TensorFiles(kGolden / (std::string(family) + "-bf16")),
                        TensorFiles(folder() / family));
  }
}

// GPT-2's (in, out) becomes (out, in).
TEST_F(HuggingFace, GptMatricesAreTransposed) {
  const HuggingFaceWeights source(kGolden / "gpt2");
  const auto theirs = to_floats(
      TensorFiles(kGolden / "gpt2").at("transformer.h.1.attn.c_attn.weight"));
  const auto ours =
      read_floats(source, "blocks.1.attention.qkv.weight", 96 * 32);
  for (std::size_t in = 0; in < 32; ++in) {
    for (std::size_t out = 0; out < 96; ++out) {
      ASSERT_EQ(ours[out * 32 + in], theirs[in * 96 + out]);
    }
  }
}

TEST_F(HuggingFace, LlamaQueriesKeysAndValuesAreStackedByRows) {
  const HuggingFaceWeights source(kGolden / "llama");
  const TensorFiles files(kGolden / "llama");
  std::vector<float> wanted;
  for (const char* part : {"q", "k", "v"}) {
    const auto rows = to_floats(
        files.at(concat("model.layers.1.self_attn.", part, "_proj.weight")));
    wanted.insert(wanted.end(), rows.begin(), rows.end());
  }
  EXPECT_EQ(read_floats(source, "blocks.1.attention.qkv.weight", 64 * 32),
            wanted);
}

TEST_F(HuggingFace, ReadsTheGradientsOfAFixtureUnderTheWeightsNames) {
  const HuggingFaceWeights gradients(
      kGolden / "gpt2", kGolden / "gpt2" / "gradients.safetensors");
  const auto values = read_floats(gradients, "blocks.0.norm1.weight", 32);
  EXPECT_TRUE(std::any_of(
      values.begin(), values.end(), [](float v) { return v != 0; }));
}

// A copy of the folder with its tensors renamed, left out or added.
template <typename Change>
void rewrite(const Path& from, const Path& to, const Change& change) {
  make_directories(to);
  std::filesystem::copy_file(from / "config.json", to / "config.json");
  const SafetensorsFile file(from / "model.safetensors");
  std::map<std::string, TensorEntry> tensors;
  for (const TensorEntry& entry : file.tensors()) {
    tensors.emplace(entry.name, entry);
  }
  change(tensors);
  std::vector<TensorHeader> headers;
  for (const auto& [name, entry] : tensors) {
    headers.push_back({name, entry.dtype, entry.shape});
  }
  SafetensorsWriter writer(to / "model.safetensors", headers);
  for (const auto& [name, entry] : tensors) {
    writer.write(name, entry.bytes);
  }
  writer.commit();
}

using Tensors = std::map<std::string, TensorEntry>;

TEST_F(HuggingFace, NamesMayLackTheBaseAndBuffersAreLeftOut) {
  rewrite(kGolden / "gpt2", folder() / "a", [](Tensors& tensors) {
    Tensors bare;
    for (const auto& [name, entry] : tensors) {
      bare.emplace(name.substr(std::string("transformer.").size()), entry);
    }
    bare.emplace("h.0.attn.bias", bare.at("ln_f.bias"));
    bare.emplace("h.0.attn.masked_bias", bare.at("ln_f.bias"));
    bare.emplace("lm_head.weight", bare.at("wte.weight"));
    tensors = bare;
  });
  write_huggingface(HuggingFaceWeights(folder() / "a"), folder() / "b");
  expect_same_tensors(TensorFiles(kGolden / "gpt2"),
                      TensorFiles(folder() / "b"));
}

TEST_F(HuggingFace, RefusesMissingUnknownAndMisshapenTensors) {
  const auto error_with = [&](const char* name, const auto& change) {
    rewrite(kGolden / "llama", folder() / name, change);
    return error_of([&] { HuggingFaceWeights(folder() / name); });
  };
  EXPECT_THAT(error_with("a", [](Tensors& t) { t.erase("model.norm.weight"); }),
              HasSubstr("has no tensor model.norm.weight"));
  EXPECT_THAT(error_with("b",
                         [](Tensors& t) {
                           t.emplace("model.extra", t.at("model.norm.weight"));
                         }),
              HasSubstr("has a tensor model.extra"));
  EXPECT_THAT(error_with("c",
                         [](Tensors& t) {
                           t.at("model.norm.weight").shape = {2, 16};
                         }),
              HasSubstr("has shape (2, 16), wanted (32)"));
  EXPECT_THAT(error_with("d",
                         [](Tensors& t) {
                           t.at("model.norm.weight").dtype = FileDtype::kI32;
                         }),
              HasSubstr("is I32, wanted F32, F16 or BF16"));
}

TEST_F(HuggingFace, RefusesAnIndexThatDoesNotHold) {
  const Path source = kGolden / "gpt2-f16-sharded";
  const Path copy = folder() / "a";
  std::filesystem::copy(source, copy);
  std::filesystem::remove(copy / "model-00002-of-00003.safetensors");
  EXPECT_THAT(error_of([&] { HuggingFaceWeights{copy}; }),
              HasSubstr("model-00002-of-00003.safetensors, which is missing"));
  std::filesystem::copy_file(source / "model-00001-of-00003.safetensors",
                             copy / "model-00002-of-00003.safetensors");
  EXPECT_THAT(error_of([&] { HuggingFaceWeights{copy}; }),
              HasSubstr("has no tensor"));
  write_file_atomically(copy / "model.safetensors.index.json",
                        R"({"weight_map":{"a":"../b"}})");
  EXPECT_THAT(error_of([&] { HuggingFaceWeights{copy}; }),
              HasSubstr("wanted a file beside the index, found ../b"));
}

TEST_F(HuggingFace, SaysWhatToDoWithPickledWeights) {
  std::filesystem::copy_file(kGolden / "gpt2" / "config.json",
                             folder() / "config.json");
  EXPECT_THAT(error_of([&] { HuggingFaceWeights{folder()}; }),
              HasSubstr("holds neither"));
  write_file_atomically(folder() / "pytorch_model.bin", "x");
  EXPECT_THAT(error_of([&] { HuggingFaceWeights{folder()}; }),
              HasSubstr("safe_serialization=True"));
}

TEST_F(HuggingFace, LeavesNothingWhereTheFolderExists) {
  const HuggingFaceWeights source(kGolden / "gpt2");
  EXPECT_THAT(error_of([&] { write_huggingface(source, folder()); }),
              HasSubstr("exists already"));
  EXPECT_TRUE(std::filesystem::is_empty(folder()));
}

TEST(HuggingFaceConfig, ReadsTheFixtures) {
  const auto config_of = [](const char* name) {
    const Path path = kGolden / name / "config.json";
    return config_from_huggingface(read_file(path), name);
  };
  const model::ModelConfig gpt = config_of("gpt2");
  EXPECT_EQ(gpt.family, model::Family::kGpt);
  EXPECT_EQ(gpt.ffn_hidden, 128);
  EXPECT_EQ(gpt.max_sequence, 32);
  EXPECT_TRUE(gpt.tie_embeddings);
  const model::ModelConfig llama = config_of("llama");
  EXPECT_EQ(llama.family, model::Family::kLlama);
  EXPECT_EQ(llama.kv_heads, 2);
  EXPECT_EQ(llama.ffn_hidden, 56);
  EXPECT_EQ(llama.norm, model::Norm::kRmsNorm);
  EXPECT_FALSE(llama.bias);
  EXPECT_FALSE(llama.tie_embeddings);
}

// The llama fixture's settings and `more`.
std::string llama_error(const std::string& more) {
  const std::string text =
      R"({"model_type":"llama","hidden_size":32,"intermediate_size":56,)"
      R"("num_hidden_layers":2,"num_attention_heads":4,"vocab_size":211,)"
      R"("max_position_embeddings":32)" +
      more + "}";
  return error_of([&] { config_from_huggingface(text, "c"); });
}

TEST(HuggingFaceConfig, RefusesWhatLlamaHereDoesNotHave) {
  EXPECT_THAT(llama_error(R"(,"hidden_act":"gelu")"),
              HasSubstr("hidden_act is gelu; Dure's llama has only silu"));
  EXPECT_THAT(llama_error(R"(,"attention_bias":true)"),
              HasSubstr("attention_bias is true"));
  EXPECT_THAT(llama_error(R"(,"mlp_bias":true)"), HasSubstr("mlp_bias"));
  EXPECT_THAT(llama_error(R"(,"rope_scaling":{"type":"linear","factor":2})"),
              HasSubstr("rope_scaling"));
  EXPECT_THAT(llama_error(R"(,"rope_parameters":{"rope_type":"yarn"})"),
              HasSubstr("rope_type is yarn"));
  EXPECT_THAT(llama_error(R"(,"head_dim":16)"),
              HasSubstr("head_dim is 16; Dure's llama has only 8"));
  EXPECT_THAT(llama_error(R"(,"num_key_value_heads":3)"), HasSubstr("3"));
}

std::string gpt_error(const std::string& more) {
  const std::string text =
      R"({"model_type":"gpt2","n_embd":32,"n_head":4,"vocab_size":211,)"
      R"("n_positions":32)" +
      more + "}";
  return error_of([&] { config_from_huggingface(text, "c"); });
}

TEST(HuggingFaceConfig, RefusesWhatGptHereDoesNotHave) {
  EXPECT_THAT(gpt_error(R"(,"n_layer":2,"activation_function":"relu")"),
              HasSubstr("has only gelu_new"));
  EXPECT_THAT(gpt_error(R"(,"n_layer":2,"scale_attn_weights":false)"),
              HasSubstr("scale_attn_weights"));
  EXPECT_THAT(
      gpt_error(R"(,"n_layer":2,"scale_attn_by_inverse_layer_idx":true)"),
      HasSubstr("scale_attn_by_inverse_layer_idx"));
}

TEST(HuggingFaceConfig, RefusesMissingAndAbsurdValues) {
  EXPECT_THAT(gpt_error(""), HasSubstr("has no n_layer"));
  EXPECT_THAT(gpt_error(R"(,"n_layer":0)"), HasSubstr("a positive integer"));
  EXPECT_THAT(gpt_error(R"(,"n_layer":"2")"), HasSubstr("wanted an integer"));
  EXPECT_THAT(gpt_error(R"(,"n_layer":4611686018427387904)"),
              HasSubstr("no model has more"));
  EXPECT_THAT(error_of([] { config_from_huggingface("", "c"); }),
              HasSubstr("c: not JSON"));
  EXPECT_THAT(
      error_of([] { config_from_huggingface(R"({"model_type":"t5"})", "c"); }),
      HasSubstr("model_type is t5; Dure converts gpt2 and llama"));
}

TEST(HuggingFaceConfig, RefusesToWriteWhatTheirModelsCanNotBe) {
  model::ModelConfig config;
  config.kv_heads = 4;
  EXPECT_THAT(error_of([&] { config_to_huggingface(config, FileDtype::kF32); }),
              HasSubstr("model.kv_heads must be model.heads"));
}

}  // namespace
}  // namespace dure::checkpoint
