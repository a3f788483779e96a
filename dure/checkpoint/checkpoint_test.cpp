#include "dure/checkpoint/checkpoint.h"

#include <algorithm>
#include <fmt/core.h>
#include <fstream>
#include <functional>
#include <gmock/gmock.h>

#include "dure/base/process.h"
#include "dure/checkpoint/elements.h"
#include "dure/checkpoint/scratch_folder.h"
#include "dure/model/weights.h"

namespace dure::checkpoint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

model::ModelConfig small_model() {
  model::ModelConfig config;
  config.layers = 1;
  config.hidden = 8;
  config.heads = 2;
  config.vocabulary = 11;
  config.max_sequence = 4;
  return model::resolve(config);
}

// A model whose bytes all differ, with the memory behind it.
struct Content {
  explicit Content(std::int64_t step,
                   const model::ModelConfig& config = small_model()) {
    unsigned byte = static_cast<unsigned>(step);
    for (const model::WeightSpec& spec : model::weights(config)) {
      add(spec.name, spec.logical, value.model, byte);
      add(spec.name + ".momentum", spec.logical, value.optimizer, byte);
    }
    value.manifest.model = config;
    value.manifest.step = step;
    value.manifest.consumed_samples = 8 * step;
    value.manifest.seed = 42;
    value.manifest.commit = "abc";
    value.documents["trainer.json"] = "{\"loss_scale\": 1}";
  }

  void add(const std::string& name,
           const Dims& shape,
           std::vector<TensorHeader>& tensors,
           unsigned& byte) {
    tensors.push_back({name, FileDtype::kF32, shape});
    auto& bytes = memory[name];
    bytes.resize(bytes_of(tensors.back()));
    for (std::byte& b : bytes) {
      b = static_cast<std::byte>(byte++ * 31 % 127);  // finite floats
    }
  }

  std::span<const std::byte> bytes(const TensorPiece& piece) const {
    return std::span(memory.find(piece.tensor)->second)
        .subspan(piece.first, piece.bytes);
  }

  void save(const Path& path) const {
    save_checkpoint(path, plan_checkpoint(value), [&](const auto& piece) {
      return PieceBytes{bytes(piece)};
    });
  }

  std::map<std::string, std::vector<std::byte>, std::less<>> memory;
  CheckpointContent value;
};

struct Checkpoint : ScratchFolder {
  Path save(std::int64_t step) const {
    const Content content(step);
    const Path path = step_folder(folder(), step);
    content.save(path);
    return path;
  }
  // Changes one byte of a file in place.
  static void flip(const Path& path, std::int64_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const int old = file.get();
    file.seekp(at);
    file.put(static_cast<char>(old ^ 1));
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder()), {}));
  }
};

TEST_F(Checkpoint, HoldsWhatWasSaved) {
  const Content content(3);
  const Path path = step_folder(folder(), 3);
  EXPECT_EQ(path.filename(), "step_00000003");
  content.save(path);
  const CheckpointReader reader(path);
  reader.verify();
  EXPECT_EQ(reader.manifest().model, small_model());
  EXPECT_EQ(reader.manifest().step, 3);
  EXPECT_EQ(reader.manifest().consumed_samples, 24);
  EXPECT_EQ(reader.manifest().seed, 42);
  EXPECT_EQ(reader.manifest().commit, "abc");
  EXPECT_EQ(reader.document("trainer.json"), "{\"loss_scale\": 1}");
  EXPECT_FALSE(reader.has_document("other"));
  for (const auto* tensors : {&content.value.model, &content.value.optimizer}) {
    const SafetensorsFile& file =
        tensors == &content.value.model ? reader.model() : reader.optimizer();
    EXPECT_EQ(file.tensors().size(), tensors->size());
    for (const TensorHeader& tensor : *tensors) {
      const TensorEntry& entry = file.at(tensor.name);
      const auto& bytes = content.memory.at(tensor.name);
      EXPECT_EQ(entry.shape, tensor.shape);
      EXPECT_TRUE(std::equal(
          bytes.begin(), bytes.end(), entry.bytes.begin(), entry.bytes.end()));
    }
  }
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Checkpoint, ReadsTensorsIntoMemoryOnSeveralThreads) {
  const Content content(1);
  const CheckpointReader reader(save(1));
  std::vector<std::vector<std::byte>> memory;
  std::vector<TensorTarget> targets;
  memory.reserve(content.value.optimizer.size());
  for (const TensorHeader& tensor : content.value.optimizer) {
    memory.emplace_back(bytes_of(tensor));
    targets.push_back({tensor.name, memory.back()});
  }
  read_tensors(reader.optimizer(), targets);
  for (std::size_t i = 0; i < memory.size(); ++i) {
    EXPECT_EQ(memory[i], content.memory.at(targets[i].name));
  }
  const TensorTarget wrong{targets[0].name, targets[0].bytes.first(4)};
  EXPECT_THAT(error_of([&] {
                read_tensors(reader.optimizer(), {&wrong, 1});
              }),
              HasSubstr("bytes, wanted 4"));
}

TEST_F(Checkpoint, IsASourceOfWeights) {
  const Content content(1);
  const auto source = open_weights(save(1), Log());
  EXPECT_EQ(source->config(), small_model());
  std::vector<float> values(11 * 8);
  source->read("embedding.token.weight", values);
  const auto bytes = std::as_bytes(std::span(values));
  EXPECT_TRUE(std::equal(bytes.begin(),
                         bytes.end(),
                         content.memory.at("embedding.token.weight").begin()));
  std::vector<float> wrong(3);
  EXPECT_THAT(error_of([&] { source->read("embedding.token.weight", wrong); }),
              HasSubstr("takes 352 bytes, the buffer has 12"));
  EXPECT_THAT(error_of([&] { source->read("absent", wrong); }),
              HasSubstr("has no tensor \"absent\""));
}

TEST_F(Checkpoint, TheNewestIsFoundInARunsFolder) {
  EXPECT_EQ(find_newest(folder() / "absent", Look::kSums).whole, std::nullopt);
  EXPECT_EQ(find_newest(folder(), Look::kSums).whole, std::nullopt);
  save(9);
  const Path newest = save(123456789);
  save(10);
  EXPECT_EQ(find_newest(folder(), Look::kSums).whole, newest);
  EXPECT_EQ(resolve_checkpoint(folder(), Look::kSums, Log()), newest);
  EXPECT_EQ(resolve_checkpoint(newest, Look::kSums, Log()), newest);
  EXPECT_EQ(verify_checkpoint(folder()), newest);
}

TEST_F(Checkpoint, DamagedOnesArePassedOverAndSaid) {
  const Path good = save(1);
  const Path no_manifest = save(2);
  const Path short_file = save(3);
  const Path no_file = save(4);
  const Path renamed = step_folder(folder(), 6);
  std::filesystem::rename(save(5), renamed);
  const Path empty = step_folder(folder(), 7);
  make_directories(empty);
  write_file_atomically(step_folder(folder(), 8), "a file");
  std::filesystem::remove(no_manifest / kManifestFile);
  std::filesystem::resize_file(short_file / kOptimizerFile, 100);
  std::filesystem::remove(no_file / kModelFile);
  make_directories(folder() / "step_x");
  const Newest newest = find_newest(folder(), Look::kSizes);
  EXPECT_EQ(newest.whole, good);
  std::vector<std::string> whys;
  for (const Newest::Damaged& damaged : newest.damaged) {
    whys.push_back(damaged.why);
  }
  EXPECT_THAT(whys,
              ElementsAre(HasSubstr("step_00000008 is no checkpoint"),
                          HasSubstr("step_00000007 is no checkpoint"),
                          HasSubstr("it holds step 5"),
                          HasSubstr("model.safetensors is missing"),
                          HasSubstr("has 100 bytes"),
                          HasSubstr("step_00000002 is no checkpoint")));
  EXPECT_THAT(describe(newest.damaged), HasSubstr(short_file.string()));
  EXPECT_THAT(error_of([&] { verify_checkpoint(folder()); }),
              HasSubstr("step_00000008"));
}

TEST_F(Checkpoint, WhereAllAreDamagedThereIsNone) {
  const Path only = save(1);
  std::filesystem::remove(only / kModelFile);
  EXPECT_EQ(find_newest(folder(), Look::kSizes).whole, std::nullopt);
  EXPECT_THAT(
      error_of([&] { resolve_checkpoint(folder(), Look::kSums, Log()); }),
      HasSubstr("holds no whole checkpoint"));
  EXPECT_THAT(error_of([&] {
                resolve_checkpoint(folder() / "absent", Look::kSums, Log());
              }),
              HasSubstr("is no checkpoint"));
}

// One bit changes: in a weight, a state, a document, a number or a name of the
// manifest.
TEST_F(Checkpoint, AFlippedBitInAnyFileIsFound) {
  const Path good = save(1);
  const Path damaged = save(2);
  for (const char* name :
       {kManifestFile, kModelFile, kOptimizerFile, kTrainerFile}) {
    const std::string text = read_file(damaged / name);
    const std::size_t stride = name == kManifestFile ? 1 : text.size() / 16;
    for (std::size_t at = 0; at < text.size(); at += stride) {
      SCOPED_TRACE(fmt::format("{} byte {}", name, at));
      std::string flipped = text;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << at % 8));
      write_file_atomically(damaged / name, flipped);
      EXPECT_EQ(find_newest(folder(), Look::kSums).whole, good);
    }
    write_file_atomically(damaged / name, text);
  }
  EXPECT_EQ(find_newest(folder(), Look::kSums).whole, damaged);
}

// A manifest of a version that had no sum of the manifest itself.
std::string without_sum(std::string text) {
  const std::size_t first = text.find(",\n  \"xxh64\"");
  return text.erase(first, text.find('\n', first + 2) - first);
}

TEST_F(Checkpoint, AManifestWithoutASumIsOfAnEarlierVersion) {
  const Path path = save(1) / kManifestFile;
  write_file_atomically(path, without_sum(read_file(path)));
  EXPECT_TRUE(find_newest(folder(), Look::kSums).whole);
}

// It is not damaged, and this program must not replace it.
TEST_F(Checkpoint, OneOfAnotherVersionIsNotPassedOver) {
  save(1);
  const Path newer = save(2) / kManifestFile;
  std::string text = without_sum(read_file(newer));
  text.replace(text.find("\"version\": 1"), 12, "\"version\": 2");
  write_file_atomically(newer, text);
  EXPECT_THROW(find_newest(folder(), Look::kSizes), OtherVersion);
}

TEST_F(Checkpoint, PruningKeepsTheNewestThatHaveAllFiles) {
  const Path a = save(1);
  const Path b = save(2);
  const Path c = save(3);
  EXPECT_THAT(prune(folder(), {.keep = 2}), ElementsAre(a));
  EXPECT_THAT(prune(folder(), {.keep = 2}), IsEmpty());
  EXPECT_THAT(error_of([&] { prune(folder(), {.keep = 0}); }),
              HasSubstr("not 0"));
  EXPECT_EQ(entries(), 2U);
  // A damaged one does not count, and is removed once two newer ones exist.
  std::filesystem::remove(c / kModelFile);
  const Path d = save(4);
  EXPECT_THAT(prune(folder(), {.keep = 2}), IsEmpty());
  save(5);
  EXPECT_THAT(prune(folder(), {.keep = 2}), ElementsAre(b, c));
  // A later one, from before, has a changed bit.
  const Path later = save(9);
  flip(later / kModelFile, 2000);
  save(6);
  EXPECT_THAT(
      prune(folder(), {.keep = 1, .look = Look::kSizes, .last_step = 6}),
      ElementsAre(d, step_folder(folder(), 5)));
  EXPECT_EQ(find_newest(folder(), Look::kSums).whole, step_folder(folder(), 6));
}

TEST_F(Checkpoint, WhatAKilledProcessLeftIsNeverSeenAndIsRemoved) {
  // The largest process number is 2^22, so no process has this one.
  const Path left = folder() / (std::string(".step_00000002.tmp.") +
                                host_name() + ".999999999");
  make_directories(left);
  write_file_atomically(left / kManifestFile, "{");
  const Path alive =
      folder() / (std::string(".step_00000002.tmp.") + host_name() + "." +
                  std::to_string(::getppid()));
  make_directories(alive);
  EXPECT_THAT(step_folders(folder()), IsEmpty());
  save(2);
  EXPECT_FALSE(std::filesystem::exists(left));
  EXPECT_TRUE(std::filesystem::exists(alive));
}

TEST_F(Checkpoint, SavingAStepAgainReplacesIt) {
  const Path path = save(1);
  Content other(2);
  other.value.manifest.step = 1;
  other.save(path);
  const CheckpointReader reader(path);
  reader.verify();
  EXPECT_EQ(std::to_integer<int>(
                reader.model().at("embedding.token.weight").bytes.front()),
            2 * 31 % 127);
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Checkpoint, AnErrorWhileSavingLeavesNothing) {
  Content content(1);
  content.value.optimizer.push_back(content.value.optimizer.front());
  EXPECT_THAT(error_of([&] { content.save(step_folder(folder(), 1)); }),
              HasSubstr("two tensors are called"));
  EXPECT_EQ(entries(), 0U);
}

// A weight has 9.6 MB: two pieces.
model::ModelConfig large_model() {
  model::ModelConfig config = small_model();
  config.vocabulary = 300'001;
  return model::resolve(config);
}

// Elements that are not asked for stay.
TEST_F(Checkpoint, GivesStretchesOfATensor) {
  const CheckpointReader reader(save(3));
  const std::string name = "blocks.0.mlp.up.weight";
  const std::vector<float> whole = to_floats(reader.model().at(name));
  const std::vector<mesh::Stretch> stretches = {{1, 17, 2}, {4, 3, 3}};
  std::vector<float> out(8, 0.5F);
  read_stretches(reader.model(), name, stretches, out);
  EXPECT_THAT(out,
              ElementsAre(0.5F,
                          whole[17],
                          whole[18],
                          0.5F,
                          whole[3],
                          whole[4],
                          whole[5],
                          0.5F));
  const mesh::Stretch beyond = {0, std::ssize(whole) - 1, 2};
  EXPECT_THAT(error_of([&] {
                read_stretches(reader.model(), name, {&beyond, 1}, out);
              }),
              HasSubstr("has no elements 255 to 257"));
}

// A source that copies, and counts the bytes in memory.
struct CountingSource {
  PieceBytes operator()(const TensorPiece& piece) {
    const auto from = content.bytes(piece);
    live += from.size();
    all += from.size();
    most = std::max(most, live);
    std::shared_ptr<std::vector<std::byte>> copy(
        new std::vector<std::byte>(from.begin(), from.end()),
        [this](const std::vector<std::byte>* bytes) {
          live -= bytes->size();
          delete bytes;
        });
    return {*copy, copy};
  }

  const Content& content;
  std::uint64_t live = 0;
  std::uint64_t most = 0;
  std::uint64_t all = 0;
};

TEST_F(Checkpoint, HoldsNoMoreCopiesThanMayBeInFlight) {
  Content content(1, large_model());
  unsigned byte = 7;
  for (int i = 0; i < 8; ++i) {
    content.add(
        fmt::format("more.{}", i), {300'001, 8}, content.value.optimizer, byte);
  }
  CountingSource source{.content = content};
  const CheckpointPlan plan = plan_checkpoint(content.value);
  save_checkpoint(folder() / "a", plan, std::ref(source));
  EXPECT_EQ(source.live, 0U);
  EXPECT_LE(source.most, kInFlightBytes);
  EXPECT_GT(source.all, kInFlightBytes);
  const CheckpointReader reader(folder() / "a");
  reader.verify();
  for (const TensorEntry& entry : reader.optimizer().tensors()) {
    EXPECT_TRUE(std::equal(entry.bytes.begin(),
                           entry.bytes.end(),
                           content.memory.at(entry.name).begin(),
                           content.memory.at(entry.name).end()));
  }
}

TEST_F(Checkpoint, PiecesGoThroughEveryTensorInTheOrderOfTheFiles) {
  const Content content(1, large_model());
  const CheckpointPlan plan = plan_checkpoint(content.value);
  const auto pieces = pieces_of(plan);
  auto next = pieces.begin();
  for (const auto& file : plan.files) {
    for (const PlacedTensor& tensor : file.layout.tensors) {
      std::uint64_t at = 0;
      for (; at < tensor.bytes; at += next++->bytes) {
        ASSERT_EQ(next->tensor, tensor.header.name);
        ASSERT_EQ(next->first, at);
        ASSERT_EQ(next->bytes, std::min(kPieceBytes, tensor.bytes - at));
      }
      EXPECT_EQ(at, tensor.bytes);
    }
  }
  EXPECT_EQ(next, pieces.end());
}

TEST_F(Checkpoint, ASourceThatFailsLeavesNothing) {
  const Content content(1);
  const CheckpointPlan plan = plan_checkpoint(content.value);
  const auto save = [&](const TensorSource& source) {
    return error_of([&] { save_checkpoint(folder() / "a", plan, source); });
  };
  EXPECT_THAT(save([&](const TensorPiece& piece) -> PieceBytes {
                DURE_CHECK(piece.tensor != "final_norm.bias", "rank 2 is gone");
                return {content.bytes(piece)};
              }),
              HasSubstr("rank 2 is gone"));
  EXPECT_THAT(save([&](const TensorPiece& piece) {
                return PieceBytes{content.bytes(piece).first(4)};
              }),
              HasSubstr("takes 32 bytes from byte 0 on, not 4"));
  EXPECT_EQ(entries(), 0U);
}

TEST_F(Checkpoint, RefusesToSaveWhatIsNotTheModel) {
  const auto error = [&](const auto& change) {
    Content content(1);
    change(content.value.model);
    return error_of([&] { content.save(folder() / "a"); });
  };
  EXPECT_THAT(error([](auto& model) { model.pop_back(); }),
              HasSubstr("no values for weight final_norm.bias"));
  EXPECT_THAT(error([](auto& model) {
                model[0].shape = {8, 11};
              }),
              HasSubstr("has shape (8, 11), wanted (11, 8)"));
  EXPECT_THAT(error([](auto& model) {
                model.push_back(model[0]);
                model.back().name = "more";
              }),
              HasSubstr("weights for a model of"));
  EXPECT_EQ(entries(), 0U);
}

TEST_F(Checkpoint, NamesTheFileThatIsDamaged) {
  const Path path = save(1);
  flip(path / kOptimizerFile,
       static_cast<std::int64_t>(
           std::filesystem::file_size(path / kOptimizerFile)) -
           1);
  const CheckpointReader reader(path);
  EXPECT_THAT(error_of([&] { reader.verify(); }),
              HasSubstr("optimizer.safetensors is damaged"));
  std::filesystem::resize_file(path / kModelFile, 100);
  EXPECT_THAT(error_of([&] { CheckpointReader{path}; }),
              HasSubstr("model.safetensors has 100 bytes, the manifest says"));
  std::filesystem::remove(path / kModelFile);
  EXPECT_THAT(error_of([&] { CheckpointReader{path}; }),
              HasSubstr("model.safetensors is missing"));
  write_file_atomically(path / kManifestFile, "{\"format\": ");
  EXPECT_THAT(error_of([&] { CheckpointReader{path}; }),
              HasSubstr("manifest.json: not JSON"));
  EXPECT_THAT(error_of([&] { CheckpointReader{folder()}; }),
              HasSubstr("is no checkpoint"));
}

TEST_F(Checkpoint, NamesHowAnotherModelDiffers) {
  const CheckpointReader reader(save(1));
  model::ModelConfig wanted = small_model();
  wanted.dropout = 0.1;
  reader.expect_model(wanted);
  wanted.hidden = 16;
  EXPECT_THAT(error_of([&] { reader.expect_model(wanted); }),
              HasSubstr("model.hidden is 8 there, wanted 16"));
}

}  // namespace
}  // namespace dure::checkpoint
