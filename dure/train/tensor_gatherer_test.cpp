#include "dure/train/tensor_gatherer.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <gmock/gmock.h>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/half.h"
#include "dure/launch/run_ranks.h"
#include "dure/model/weights.h"
#include "dure/tensor/stream.h"

namespace dure::train {
namespace {

using checkpoint::CheckpointContent;
using checkpoint::CheckpointPlan;
using checkpoint::CheckpointReader;
using checkpoint::FileDtype;
using comm::Communicator;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

model::ModelConfig small_model(std::int64_t vocabulary = 61) {
  model::ModelConfig config;
  config.layers = 1;
  config.hidden = 8;
  config.heads = 2;
  config.vocabulary = vocabulary;
  config.max_sequence = 5;
  return model::resolve(config);
}

CheckpointPlan plan_of(const model::ModelConfig& config,
                       FileDtype weights = FileDtype::kF32) {
  CheckpointContent content;
  content.manifest.model = config;
  for (const model::WeightSpec& spec : model::weights(config)) {
    content.model.push_back({spec.name, weights, spec.logical});
    content.optimizer.push_back(
        {spec.name + ".momentum", FileDtype::kF32, spec.logical});
  }
  return checkpoint::plan_checkpoint(content);
}

model::ModelConfig llama() {
  return {.family = model::Family::kLlama,
          .layers = 1,
          .hidden = 16,
          .heads = 8,
          .kv_heads = 2,
          .ffn_hidden = 24,
          .vocabulary = 61,
          .max_sequence = 5,
          .norm = &nn::kRmsNorm,
          .position = model::Position::kRope,
          .activation = model::Activation::kSwiglu,
          .bias = false,
          .tie_embeddings = false};
}

// A rank of T tensor ranks, and of those that share what each of them has.
struct Place {
  mesh::Part part = {};
  int shard = 0;
  int shards = 1;
};

// World ranks as a mesh has them: tensor ranks are neighbours.
Place place_of(int rank, int tensor, int shards) {
  return {.part = {rank % tensor, tensor},
          .shard = rank / tensor % shards,
          .shards = shards};
}

// Parts that stay where they are, as long as they are there.
Holding holding_of(const WeightCuts& cuts,
                   const std::vector<WeightPart>& parts) {
  Holding holding = {.cuts = cuts, .parts = {}, .acquire = {}};
  for (const WeightPart& part : parts) {
    holding.parts.push_back(
        {.name = part.name,
         .slice = {.offset = part.offset, .elements = part.values.elements()},
         .dtype = part.values.dtype()});
  }
  holding.acquire = [&parts](const OwnedPart& wanted) {
    const auto part = std::ranges::find_if(parts, [&](const WeightPart& some) {
      return some.name == wanted.name && some.offset == wanted.slice.offset;
    });
    return PartInUse{.values = part->values};
  };
  return holding;
}

// A holding, and what is acquired of it.
class Counted {
 public:
  explicit Counted(Holding of)
      : holding_(of), thread_(std::this_thread::get_id()) {
    holding_.acquire = [this, inner = of.acquire](const OwnedPart& part) {
      held_.insert(part.name);
      most_ = std::max(most_, held_.size());
      const auto release = [this, name = part.name](const void*) {
        EXPECT_EQ(std::this_thread::get_id(), thread_);
        held_.erase(held_.find(name));
      };
      return PartInUse{.values = inner(part).values,
                       .owner = std::shared_ptr<const void>(this, release)};
    };
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  const Holding& holding() const { return holding_; }
  // The names of what is acquired, and how many were at a time.
  const std::multiset<std::string>& held() const { return held_; }
  std::size_t most() const { return most_; }

 private:
  Holding holding_;
  std::thread::id thread_;
  std::multiset<std::string> held_;
  std::size_t most_ = 0;
};

// What a rank has: of its parts of all weights, padded, one after another, its
// near-even shard, and the same of their momentum. Values are numbered through
// the whole weights, so that no two elements are the same; padding is -0.5.
struct Shard {
  Shard(const model::ModelConfig& config, const Place& place)
      : cuts(config, place.part) {
    const auto specs = model::weights(config, place.part.count);
    std::int64_t total = 0;
    for (const auto& spec : specs) {
      total += cuts.local(spec.name).elements();
    }
    const comm::Counts counts = comm::even_counts(total, place.shards);
    const std::int64_t first = comm::offset_of(counts, place.shard);
    const Stretch mine = {
        first, first + counts[static_cast<std::size_t>(place.shard)]};
    memory.resize(static_cast<std::size_t>(2 * (mine.last - mine.first)));
    std::int64_t at = 0;
    float number = 0;
    for (const auto& spec : specs) {
      const std::int64_t end = at + cuts.local(spec.name).elements();
      add(spec, common(mine, {at, end}), at, first, number);
      at = end;
      number += static_cast<float>(mesh::elements(spec.logical));
    }
  }

  Shard(const model::ModelConfig& config, int rank, int ranks)
      : Shard(config, Place{.shard = rank, .shards = ranks}) {}

  void add(const model::WeightSpec& spec,
           const Stretch& stretch,
           std::int64_t tensor,
           std::int64_t memory_first,
           float number) {
    const std::int64_t n = stretch.last - stretch.first;
    if (n <= 0) {
      return;
    }
    float* weights = memory.data() + (stretch.first - memory_first);
    float* momentum = weights + memory.size() / 2;
    const std::int64_t offset = stretch.first - tensor;
    const std::int64_t logical = mesh::elements(spec.logical);
    for (const auto& s : cuts.local(spec.name).stretches(offset, n)) {
      for (std::int64_t i = 0; i < s.length; ++i) {
        const bool padding = s.global + i >= logical;
        const float value =
            padding ? -0.5F : number + static_cast<float>(s.global + i);
        weights[s.local - offset + i] = value;
        momentum[s.local - offset + i] = -1 - value;
      }
    }
    parts.push_back({spec.name, offset, Tensor(weights, {n})});
    parts.push_back({spec.name + ".momentum", offset, Tensor(momentum, {n})});
  }

  Holding holding() const { return holding_of(cuts, parts); }

  WeightCuts cuts;
  std::vector<float> memory;
  std::vector<WeightPart> parts;
};

// The same with weights of 2 bytes, whose bits are the numbers.
struct HalfShard {
  explicit HalfShard(Shard of) : shard(std::move(of)), parts(shard.parts) {
    for (WeightPart& part : parts) {
      if (!part.name.ends_with(".momentum")) {
        const std::int64_t n = part.values.elements();
        const float* const numbers = part.values.data<float>();
        std::vector<Bf16>& bits = memory.emplace_back();
        for (std::int64_t i = 0; i < n; ++i) {
          bits.push_back({static_cast<std::uint16_t>(numbers[i] + 1)});
        }
        part.values = Tensor(bits.data(), {n});
      }
    }
  }

  Holding holding() const { return holding_of(shard.cuts, parts); }

  Shard shard;
  std::list<std::vector<Bf16>> memory;
  std::vector<WeightPart> parts;
};

struct Gathering : testing::Test {
  Path folder = std::filesystem::temp_directory_path() /
                ("dure_gather_" + std::to_string(::getpid()));
  model::ModelConfig config = small_model();

  void SetUp() override {
    std::filesystem::remove_all(folder);
    make_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder), {}));
  }

  void save(const std::string& name, int ranks) const {
    save_cut(name, 1, ranks);
  }

  // `copies` of everything, as in hierarchical sharding.
  void save_cut(const std::string& name,
                int tensor,
                int shards,
                int copies = 1) const {
    launch::run_ranks(
        {.ranks = tensor * shards * copies}, [&](Communicator& comm) {
          Stream stream = host_stream();
          Arena arena(stream);
          const Shard shard(config, place_of(comm.rank(), tensor, shards));
          save_parts(
              folder / name, plan_of(config), shard.holding(), comm, arena);
        });
  }

  void expect_same_files(const std::string& a, const std::string& b) const {
    const CheckpointReader reader(folder / b);
    reader.verify();
    EXPECT_EQ(CheckpointReader(folder / a).manifest().files,
              reader.manifest().files);
  }

  // What the ranks that fail say; with the message of the run first.
  std::vector<std::string> errors_of_saving(const Path& path, int ranks) const {
    std::mutex mutex;
    std::vector<std::string> errors;
    try {
      launch::run_ranks({.ranks = ranks}, [&](Communicator& comm) {
        Stream stream = host_stream();
        Arena arena(stream);
        const Shard shard(config, comm.rank(), ranks);
        try {
          save_parts(path, plan_of(config), shard.holding(), comm, arena);
          comm.run(stream, comm::Barrier{});
        } catch (const Error& error) {
          const std::lock_guard lock(mutex);
          errors.emplace_back(error.what());
          throw;
        }
      });
    } catch (const Error& error) {
      errors.insert(errors.begin(), error.what());
    }
    return errors;
  }
};

TEST_F(Gathering, WritesTheSameFilesHoweverManyRanksHoldTheTensors) {
  save("1", 1);
  const CheckpointReader one(folder / "1");
  one.verify();
  for (const int ranks : {2, 3, 5}) {
    const std::string name = std::to_string(ranks);
    save(name, ranks);
    EXPECT_EQ(CheckpointReader(folder / name).manifest().files,
              one.manifest().files)
        << ranks;
  }
}

TEST_F(Gathering, PutsEveryElementWhereItBelongs) {
  save("a", 3);
  const CheckpointReader reader(folder / "a");
  const Shard all(config, 0, 1);
  for (const WeightPart& part : all.parts) {
    const bool state = part.name.ends_with(".momentum");
    const auto& entry =
        (state ? reader.optimizer() : reader.model()).at(part.name);
    EXPECT_EQ(std::memcmp(
                  entry.bytes.data(), part.values.bytes(), entry.bytes.size()),
              0)
        << part.name;
  }
}

TEST_F(Gathering, CarriesElementsOfAnySize) {
  config = llama();
  launch::run_ranks({.ranks = 6}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    const HalfShard shard(Shard(config, place_of(comm.rank(), 2, 3)));
    save_parts(folder / "a",
               plan_of(config, FileDtype::kBf16),
               shard.holding(),
               comm,
               arena);
  });
  const CheckpointReader reader(folder / "a");
  const HalfShard all(Shard(config, 0, 1));
  for (const WeightPart& part : all.parts) {
    const bool state = part.name.ends_with(".momentum");
    const auto& entry =
        (state ? reader.optimizer() : reader.model()).at(part.name);
    EXPECT_EQ(entry.dtype, checkpoint::file_dtype(part.values.dtype()));
    EXPECT_EQ(std::memcmp(
                  entry.bytes.data(), part.values.bytes(), entry.bytes.size()),
              0)
        << part.name;
  }
}

TEST_F(Gathering, RefusesAnotherTypeThanTheCheckpoints) {
  launch::run_ranks({.ranks = 1}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    const Shard shard(config, 0, 1);
    try {
      save_parts(folder / "a",
                 plan_of(config, FileDtype::kBf16),
                 shard.holding(),
                 comm,
                 arena);
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("is f32 here, but BF16 in the"));
    }
  });
}

// Rows, columns, sections and key-value heads on several ranks, times ZeRO.
TEST_F(Gathering, WritesTheSameFilesHoweverTheTensorsAreCut) {
  save("gpt", 1);
  for (const int shards : {1, 2, 3}) {
    const std::string name = "gpt" + std::to_string(shards);
    save_cut(name, 2, shards);
    expect_same_files("gpt", name);
  }
  config = llama();
  save("llama", 1);
  for (const int tensor : {2, 4, 8}) {
    const std::string name = "llama" + std::to_string(tensor);
    save_cut(name, tensor, 1);
    expect_same_files("llama", name);
  }
  save_cut("llama4of3", 4, 3);
  expect_same_files("llama", "llama4of3");
  save_cut("llama4of2twice", 4, 2, 2);
  expect_same_files("llama", "llama4of2twice");
}

// Saved by 2 x 3, read by T x 1 to 3: the bits that were saved, and 0 in the
// padding.
TEST_F(Gathering, EveryRankReadsItsPartsWhoeverWroteThem) {
  config = llama();
  save_cut("a", 2, 3);
  const CheckpointReader reader(folder / "a");
  Stream stream(Device::kCpu);
  std::size_t padding = 0;
  for (const int tensor : {1, 2, 4, 8}) {
    for (int rank = 0; rank < 3 * tensor; ++rank) {
      const Place place = place_of(rank, tensor, 1 + rank % 3);
      const Shard saved(config, place);
      Shard read(config, place);
      std::fill(read.memory.begin(), read.memory.end(), 0.5F);
      read_parts(stream,
                 read.parts,
                 read.cuts,
                 [&](const std::string& name,
                     std::span<const mesh::Stretch> stretches,
                     std::span<float> out) {
                   const bool state = name.ends_with(".momentum");
                   checkpoint::read_stretches(
                       state ? reader.optimizer() : reader.model(),
                       name,
                       stretches,
                       out);
                 });
      for (std::size_t i = 0; i < saved.memory.size(); ++i) {
        // -1 - -0.5 is -0.5: padding, as no number is
        const bool pads = saved.memory[i] == -0.5F;
        ASSERT_EQ(read.memory[i], pads ? 0.0F : saved.memory[i]);
        padding += pads ? 1 : 0;
      }
    }
  }
  EXPECT_GT(padding, 0U);
}

// To the nearest, as everywhere: 257 is between 256 and 258.
TEST_F(Gathering, PartsAreFilledInTheirOwnType) {
  const WeightCuts cuts(config, {0, 1});
  std::vector<Bf16> memory(3);
  const WeightPart part[] = {
      {"final_norm.weight", 2, Tensor(memory.data(), {3})}};
  Stream stream(Device::kCpu);
  read_parts(stream,
             part,
             cuts,
             [&](const std::string&,
                 std::span<const mesh::Stretch>,
                 std::span<float> out) {
               out[0] = 1;
               out[1] = 257;
               out[2] = 259;
             });
  EXPECT_THAT(memory,
              testing::ElementsAre(to_bf16(1), to_bf16(256), to_bf16(260)));
}

TEST_F(Gathering, ATensorIsReadOnceForNeighbouringRanges) {
  Shard shard(config, 0, 1);
  const WeightPart token = shard.parts.front();
  const WeightPart halves[] = {
      {token.name, 0, token.values.rows(0, 5)},
      {token.name, 7, token.values.rows(5, 3)},
      {"final_norm.weight", 1, token.values.rows(8, 2)}};
  Stream stream(Device::kCpu);
  std::vector<std::string> asked;
  read_parts(stream,
             halves,
             shard.cuts,
             [&](const std::string& name,
                 std::span<const mesh::Stretch> stretches,
                 std::span<float> out) {
               asked.push_back(name);
               for (const mesh::Stretch& s : stretches) {
                 for (std::int64_t i = 0; i < s.length; ++i) {
                   out[static_cast<std::size_t>(s.local + i)] =
                       static_cast<float>(100 + s.global + i);
                 }
               }
             });
  EXPECT_THAT(asked, testing::ElementsAre(token.name, "final_norm.weight"));
  EXPECT_THAT(
      std::span(shard.memory).first(10),
      testing::ElementsAre(100, 101, 102, 103, 104, 107, 108, 109, 101, 102));
}

// A matrix cut by columns is a stretch a row, and one message a piece.
TEST_F(Gathering, WhatIsCutByColumnsIsOneMessageAPiece) {
  config = small_model(200);  // of 256 rows: some of the second rank's are real
  launch::run_ranks({.ranks = 2}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    const Shard shard(config, place_of(comm.rank(), 2, 1));
    save_parts(folder / "a", plan_of(config), shard.holding(), comm, arena);
    std::uint64_t cut = 0;
    for (const model::WeightSpec& spec : model::weights(config)) {
      cut += spec.sharding ? 2 : 0;  // the weight and its state
    }
    EXPECT_EQ(comm.traffic().of("world", comm::Kind::kSend).calls,
              comm.rank() == 1 ? cut : 0);
  });
}

// Replicas: everybody has everything, but for one who has nothing.
TEST_F(Gathering, NothingIsSentThatTheFirstRankHas) {
  launch::run_ranks({.ranks = 3}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    Shard shard(config, 0, 1);
    if (comm.rank() == 2) {
      shard.parts.clear();
    }
    save_parts(folder / "a", plan_of(config), shard.holding(), comm, arena);
    EXPECT_EQ(comm.traffic().of("world", comm::Kind::kSend).calls, 0U);
    EXPECT_EQ(comm.traffic().of("world", comm::Kind::kRecv).calls, 0U);
    EXPECT_EQ(arena.high_water(), 0U);
  });
  CheckpointReader(folder / "a").verify();
}

// Two groups that hold the same, as in hierarchical sharding.
TEST_F(Gathering, WhatTwoRanksHoldIsSentOnce) {
  launch::run_ranks({.ranks = 4}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    const Shard shard(config, comm.rank() % 2, 2);
    save_parts(folder / "a", plan_of(config), shard.holding(), comm, arena);
    const auto sends = comm.traffic().of("world", comm::Kind::kSend).calls;
    EXPECT_EQ(sends > 0, comm.rank() == 1) << comm.rank();
  });
  save("b", 1);
  EXPECT_EQ(CheckpointReader(folder / "a").manifest().files,
            CheckpointReader(folder / "b").manifest().files);
}

// Of all parts that a rank has, one that lies in a piece is acquired, and is
// until the piece is let go of; what is copied or sent, no longer than that.
TEST_F(Gathering, AcquiresAPartForAPieceAndNoLonger) {
  launch::run_ranks({.ranks = 3}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    const Shard shard(config, comm.rank(), 3);
    const Counted counted(shard.holding());
    const CheckpointPlan plan = plan_of(config);
    TensorGatherer gatherer(plan, counted.holding(), comm, arena);
    std::size_t in_place = 0;
    for (const checkpoint::TensorPiece& piece : checkpoint::pieces_of(plan)) {
      const auto owner = gatherer.collect(piece).owner;
      const std::multiset<std::string> one = {std::string(piece.tensor)};
      EXPECT_THAT(counted.held(), testing::AnyOf(testing::IsEmpty(), one));
      in_place += counted.held().size();
    }
    EXPECT_THAT(counted.held(), testing::IsEmpty());
    EXPECT_EQ(in_place > 0, comm.rank() == 0);
    EXPECT_EQ(counted.most(), 1U);
  });
}

// 122 MB that are all in place: as much of them is acquired as is in flight.
TEST_F(Gathering, HoldsNoMorePartsThanPiecesAreInFlight) {
  config = small_model(1'900'001);
  launch::run_ranks({.ranks = 1}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    const Shard shard(config, 0, 1);
    const Counted counted(shard.holding());
    const CheckpointPlan plan = plan_of(config);
    save_parts(folder / "a", plan, counted.holding(), comm, arena);
    EXPECT_THAT(counted.held(), testing::IsEmpty());
    const auto small = static_cast<std::size_t>(std::ranges::count_if(
        checkpoint::pieces_of(plan), [](const checkpoint::TensorPiece& piece) {
          return piece.bytes < checkpoint::kPieceBytes;
        }));
    EXPECT_LE(counted.most(),
              checkpoint::kInFlightBytes / checkpoint::kPieceBytes + small);
  });
}

// 122 MB, of which rank 0 has a third; of the rest it holds 64 MiB at a time.
TEST_F(Gathering, TakesNoMoreMemoryThanMayBeInFlight) {
  config = small_model(1'900'001);
  launch::run_ranks({.ranks = 3}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    const Shard shard(config, comm.rank(), 3);
    save_parts(folder / "a", plan_of(config), shard.holding(), comm, arena);
    EXPECT_LE(arena.high_water(), checkpoint::kInFlightBytes);
    EXPECT_EQ(arena.high_water() > 0, comm.rank() == 0);
  });
  CheckpointReader(folder / "a").verify();
}

// The same of columns, with what is packed on both sides.
TEST_F(Gathering, TakesNoMoreMemoryForWhatIsPacked) {
  config.hidden = 1024;
  config.ffn_hidden = 6144;  // 24 MiB a matrix
  launch::run_ranks({.ranks = 4}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    const Shard shard(config, place_of(comm.rank(), 2, 2));
    save_parts(folder / "a", plan_of(config), shard.holding(), comm, arena);
    EXPECT_LE(arena.ledger().peak(),
              comm.rank() == 0 ? kGatherBytes : checkpoint::kPieceBytes);
  });
  CheckpointReader(folder / "a").verify();
}

TEST_F(Gathering, NamesWhatNobodyHas) {
  const auto error = [&](auto change) {
    try {
      launch::run_ranks({.ranks = 2}, [&](Communicator& comm) {
        Stream stream = host_stream();
        Arena arena(stream);
        Shard shard(config, comm.rank(), 2);
        change(shard.parts);
        save_parts(folder / "a", plan_of(config), shard.holding(), comm, arena);
      });
    } catch (const Error& caught) {
      return std::string(caught.what());
    }
    return std::string();
  };
  EXPECT_THAT(error([](auto& parts) {
                std::erase_if(parts, [](const WeightPart& part) {
                  return part.name == "final_norm.bias.momentum";
                });
              }),
              HasSubstr("no rank has element 0 of final_norm.bias.momentum"));
  EXPECT_THAT(error([](auto& parts) { parts[0].name = "other"; }),
              HasSubstr("tensor other is not one of the checkpoint's"));
  EXPECT_THAT(error([](auto& parts) { parts[0].offset = 1'000'000; }),
              HasSubstr("are not of this rank's part of embedding.token"));
  EXPECT_EQ(entries(), 0U);
}

// A hole in a column: every rank says so, none of the folder stays.
TEST_F(Gathering, EveryRankNamesTheElementThatIsMissing) {
  std::mutex mutex;
  std::vector<std::string> errors;
  EXPECT_THROW(
      launch::run_ranks(
          {.ranks = 2},
          [&](Communicator& comm) {
            Stream stream = host_stream();
            Arena arena(stream);
            Shard shard(config, place_of(comm.rank(), 2, 1));
            for (WeightPart& part : shard.parts) {
              if (comm.rank() == 1 && part.name == "blocks.0.mlp.down.weight") {
                const std::int64_t n = part.values.elements();
                part.values = part.values.rows(0, n - 1);
              }
            }
            try {
              save_parts(
                  folder / "a", plan_of(config), shard.holding(), comm, arena);
            } catch (const Error& caught) {
              const std::lock_guard lock(mutex);
              errors.emplace_back(caught.what());
              throw;
            }
          }),
      Error);
  EXPECT_THAT(errors,
              AllOf(testing::SizeIs(2),
                    Each(HasSubstr("no rank has element 255 of "
                                   "blocks.0.mlp.down.weight"))));
  EXPECT_EQ(entries(), 0U);
}

TEST_F(Gathering, ADirectoryThatCannotBeWrittenEndsAllRanks) {
  write_file_atomically(folder / "file", "in the way");
  EXPECT_THAT(errors_of_saving(folder / "file" / "a", 3),
              AllOf(testing::SizeIs(4), Each(HasSubstr("file"))));
}

// No file may grow beyond a limit: as on a full disk, a write in the middle
// fails.
TEST_F(Gathering, AFullDiskEndsAllRanksAndLeavesNothing) {
  config = small_model(300'001);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit low = before;
  low.rlim_cur = 9 << 20;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  const auto errors = errors_of_saving(folder / "a", 3);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(errors,
              AllOf(testing::SizeIs(4), Each(HasSubstr("can't write"))));
  EXPECT_THAT(errors.front(), testing::StartsWith("rank 0: "));
  EXPECT_EQ(entries(), 0U);
}

}  // namespace
}  // namespace dure::train
