#include "dure/checkpoint/huggingface.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/core.h>
#include <gmock/gmock.h>

#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/elements.h"
#include "dure/checkpoint/import.h"
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

// Expects every tensor of `a` in `b`, byte for byte.
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

TEST_F(HuggingFace, AConvertedModelComesBackByteForByte) {
  const HuggingFaceWeights source(kGolden / "llama-bf16");
  write_checkpoint(source, folder() / "a");
  CheckpointReader(folder() / "a").verify();
  write_huggingface(CheckpointWeights(folder() / "a"), folder() / "b");
  expect_same_tensors(TensorFiles(kGolden / "llama-bf16"),
                      TensorFiles(folder() / "b"));
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
        files.at(fmt::format("model.layers.1.self_attn.{}_proj.weight", part)));
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
              HasSubstr("has a tensor \"model.extra\""));
  EXPECT_THAT(error_with("c",
                         [](Tensors& t) {
                           t.at("model.norm.weight").shape = {2, 16};
                         }),
              HasSubstr("has shape (2, 16), wanted (32)"));
  EXPECT_THAT(error_with("d",
                         [](Tensors& t) {
                           t.at("model.norm.weight").dtype = FileDtype::kI32;
                         }),
              HasSubstr("is I32, wanted F32, F16, BF16 or F64"));
}

// Transformers 4 takes the embedding for the head, 5 the file's tensor.
TEST_F(HuggingFace, RefusesATiedHeadThatIsAnother) {
  std::vector<std::byte> bytes;
  rewrite(kGolden / "gpt2", folder() / "a", [&](Tensors& tensors) {
    TensorEntry head = tensors.at("transformer.wte.weight");
    bytes.assign(head.bytes.begin(), head.bytes.end());
    bytes[5] ^= std::byte{1};
    head.bytes = bytes;
    tensors.emplace("lm_head.weight", head);
  });
  EXPECT_THAT(error_of([&] { HuggingFaceWeights{folder() / "a"}; }),
              HasSubstr("set tie_word_embeddings to false there"));
}

TEST_F(HuggingFace, RefusesAnIndexThatDoesNotHold) {
  const Path source = kGolden / "gpt2-f16-sharded";
  const Path copy = folder() / "a";
  std::filesystem::copy(source, copy);
  std::filesystem::remove(copy / "model-00002-of-00003.safetensors");
  EXPECT_THAT(
      error_of([&] { HuggingFaceWeights{copy}; }),
      HasSubstr("model-00002-of-00003.safetensors\", which is missing"));
  std::filesystem::copy_file(source / "model-00001-of-00003.safetensors",
                             copy / "model-00002-of-00003.safetensors");
  EXPECT_THAT(error_of([&] { HuggingFaceWeights{copy}; }),
              HasSubstr("has no tensor"));
  write_file_atomically(copy / "model.safetensors.index.json",
                        R"({"weight_map":{"a":"../b"}})");
  EXPECT_THAT(error_of([&] { HuggingFaceWeights{copy}; }),
              HasSubstr("wanted a file beside the index, found \"../b\""));
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

// A copy of a fixture whose last norm begins with `value`, as `dtype`.
void with_value(const char* fixture,
                const Path& to,
                double value,
                FileDtype dtype) {
  std::vector<std::byte> bytes;
  rewrite(kGolden / fixture, to, [&](Tensors& tensors) {
    TensorEntry& norm =
        tensors.at(std::string(fixture) == "llama" ? "model.norm.weight"
                                                   : "transformer.ln_f.weight");
    std::vector<double> values(32, 1);
    values[0] = value;
    bytes.resize(32 * size_of(dtype));
    if (dtype == FileDtype::kF64) {
      std::memcpy(bytes.data(), values.data(), bytes.size());
    } else {
      convert(FileDtype::kF64, std::as_bytes(std::span(values)), dtype, bytes);
    }
    norm.bytes = bytes;
    norm.dtype = dtype;
  });
}

TEST_F(HuggingFace, RefusesWeightsThatTheNewTypeDoesNotHold) {
  int made = 0;
  const auto error_with = [&](double value, FileDtype from, FileDtype to) {
    const Path there = folder() / std::to_string(++made);
    with_value("llama", there, value, from);
    const Path out = there.string() + "-out";
    const std::string error = error_of([&] {
      write_huggingface(HuggingFaceWeights(there), out, {.dtype = to});
    });
    EXPECT_FALSE(std::filesystem::exists(out));
    return error;
  };
  EXPECT_THAT(error_with(70000, FileDtype::kF32, FileDtype::kF16),
              HasSubstr("tensor \"model.norm.weight\": 1 of 32 values are "
                        "beyond 65504, the largest that F16 holds; the largest "
                        "here is 70000"));
  EXPECT_THAT(error_with(-70000, FileDtype::kBf16, FileDtype::kF16),
              HasSubstr("beyond 65504"));
  EXPECT_THAT(error_with(3.4e38, FileDtype::kF32, FileDtype::kBf16),
              HasSubstr("the largest that BF16 holds"));
  EXPECT_THAT(error_with(1e39, FileDtype::kF64, FileDtype::kF32),
              HasSubstr("the largest that F32 holds"));
  EXPECT_THAT(error_with(1e-60, FileDtype::kF64, FileDtype::kBf16),
              HasSubstr("1 of 32 values of F64 are too small for F32"));
  for (const double value : {double{NAN}, double{INFINITY}}) {
    EXPECT_THAT(error_with(value, FileDtype::kF32, FileDtype::kF32),
                HasSubstr("weight final_norm.weight: 1 of 32 values are NaN"));
    EXPECT_THAT(error_with(value, FileDtype::kF32, FileDtype::kF16),
                HasSubstr("are NaN or infinite"));
  }
}

TEST_F(HuggingFace, SaysHowManyWeightsBecame0) {
  with_value("gpt2", folder() / "a", 1e-9, FileDtype::kF32);
  const HuggingFaceWeights source(folder() / "a");
  EXPECT_TRUE(write_huggingface(source, folder() / "b").empty());
  const auto warnings =
      write_checkpoint(source, folder() / "c", {.dtype = FileDtype::kF16});
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings.front(), HasSubstr("1 of "));
  EXPECT_THAT(warnings.front(), HasSubstr("became 0"));
}

TEST_F(HuggingFace, RefusesToLoadF64ThatF32DoesNotHold) {
  with_value("llama", folder() / "a", 1e39, FileDtype::kF64);
  const HuggingFaceWeights source(folder() / "a");
  const mesh::Stretch wanted = {0, 0, 32};
  std::vector<float> out(32);
  EXPECT_THAT(error_of([&] {
                source.read_stretches("final_norm.weight", {&wanted, 1}, out);
              }),
              HasSubstr("the largest that F32 holds"));
}

// Queries in bf16 and keys in f32 lose nothing when they become one weight.
TEST_F(HuggingFace, AFusedWeightHasATypeForAllItsParts) {
  std::vector<std::byte> bytes;
  rewrite(kGolden / "llama", folder() / "a", [&](Tensors& tensors) {
    TensorEntry& query = tensors.at("model.layers.0.self_attn.q_proj.weight");
    bytes.resize(query.bytes.size() / 2);
    convert(query, FileDtype::kBf16, bytes);
    query.bytes = bytes;
    query.dtype = FileDtype::kBf16;
  });
  const HuggingFaceWeights source(folder() / "a");
  EXPECT_EQ(source.dtype("blocks.0.attention.qkv.weight"), FileDtype::kF32);
  EXPECT_EQ(source.dtype("blocks.1.attention.qkv.weight"), FileDtype::kF32);
}

TEST_F(HuggingFace, AllRatesOfGptComeBackAndLlamaSaysWhichDoNot) {
  const auto with_rates = [&](const char* fixture) {
    write_checkpoint(HuggingFaceWeights(kGolden / fixture), folder() / fixture);
    const Path path = folder() / fixture / kManifestFile;
    Manifest manifest = manifest_from_json(read_file(path), "m");
    manifest.model.dropout.embedding = 0.1;
    manifest.model.dropout.attention = 0.2;
    manifest.model.dropout.hidden = 0.3;
    write_file_atomically(path, to_json(manifest));
    return CheckpointWeights(folder() / fixture);
  };
  EXPECT_TRUE(write_huggingface(with_rates("gpt2"), folder() / "g").empty());
  const model::DropoutRates rates =
      HuggingFaceWeights(folder() / "g").config().dropout;
  EXPECT_EQ(rates.embedding, 0.1);
  EXPECT_EQ(rates.attention, 0.2);
  EXPECT_EQ(rates.hidden, 0.3);
  const auto warnings = write_huggingface(with_rates("llama"), folder() / "l");
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_THAT(warnings[0], HasSubstr("model.embedding_dropout is 0.1"));
  EXPECT_THAT(warnings[1], HasSubstr("model.hidden_dropout is 0.3"));
  EXPECT_EQ(HuggingFaceWeights(folder() / "l").config().dropout.attention, 0.2);
}

}  // namespace
}  // namespace dure::checkpoint
