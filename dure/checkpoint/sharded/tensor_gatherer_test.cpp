#include "dure/checkpoint/sharded/tensor_gatherer.h"

#include <cstring>
#include <gmock/gmock.h>
#include <list>

#include "dure/base/half.h"
#include "dure/checkpoint/sharded/tensor_gatherer_testing.h"
#include "dure/model/llama/llama.h"

namespace dure::train {
namespace {

using testing::HasSubstr;

model::ModelConfig llama() {
  return {.family = &model::kLlama,
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

// A shard with weights of 2 bytes, whose bits are the numbers.
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

// Cuts by rows, columns, sections and key-value heads on several ranks, times
// ZeRO.
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

// The file is saved on 2 x 3 ranks and read on T x 1 to 3: the bits are those
// saved, and the padding is 0.
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
        // -1 - -0.5 is -0.5: that is padding, as no number is.
        const bool pads = saved.memory[i] == -0.5F;
        ASSERT_EQ(read.memory[i], pads ? 0.0F : saved.memory[i]);
        padding += pads ? 1 : 0;
      }
    }
  }
  EXPECT_GT(padding, 0U);
}

// Values are rounded to the nearest, as everywhere: 257 is between 256 and 258.
TEST_F(Gathering, PartsAreFilledInTheirOwnType) {
  const WeightCuts cuts(config, mesh::Place());
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
                   out[s.local + i] = static_cast<float>(100 + s.global + i);
                 }
               }
             });
  EXPECT_THAT(asked, testing::ElementsAre(token.name, "final_norm.weight"));
  EXPECT_THAT(
      std::span(shard.memory).first(10),
      testing::ElementsAre(100, 101, 102, 103, 104, 107, 108, 109, 101, 102));
}

// A matrix cut by columns has a stretch for each row, but one message a piece.
TEST_F(Gathering, WhatIsCutByColumnsIsOneMessageAPiece) {
  config = small_model(200);  // of 256 rows: some of the second rank's are real
  launch::run_ranks({.ranks = 2}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    const Shard shard(config, place_of(comm.rank(), 2, 1));
    save_parts(folder / "a", plan_of(config), shard.holding(), comm, arena);
    std::uint64_t cut = 0;
    for (const model::WeightSpec& spec : model::weights(config)) {
      cut += spec.placement.empty() ? 0 : 2;  // the weight and its state
    }
    EXPECT_EQ(comm.traffic().of("world", comm::Kind::kSend).calls,
              comm.rank() == 1 ? cut : 0);
  });
}

// All ranks but one are replicas; that one has nothing.
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

// Two groups hold the same, as in hierarchical sharding.
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

}  // namespace
}  // namespace dure::train
