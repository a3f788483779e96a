#include "dure/train/tensor_gatherer.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <gmock/gmock.h>
#include <mutex>
#include <sys/resource.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
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

CheckpointPlan plan_of(const model::ModelConfig& config) {
  CheckpointContent content;
  content.manifest.model = config;
  for (const model::WeightSpec& spec : model::weights(config)) {
    content.model.push_back({spec.name, FileDtype::kF32, spec.logical});
    content.optimizer.push_back(
        {spec.name + ".momentum", FileDtype::kF32, spec.logical});
  }
  return checkpoint::plan_checkpoint(content);
}

// What rank `rank` of `ranks` has: of all weights, padded, one after another,
// its near-even part; and the same of their momentum. Values are numbered
// through, so that no two elements are the same.
struct Shard {
  Shard(const model::ModelConfig& config, int rank, int ranks) {
    const auto specs = model::weights(config);
    std::int64_t total = 0;
    for (const auto& spec : specs) {
      total += mesh::elements(spec.shape);
    }
    const comm::Counts counts = comm::even_counts(total, ranks);
    const std::int64_t first = comm::offset_of(counts, rank);
    const Stretch mine = {first,
                          first + counts[static_cast<std::size_t>(rank)]};
    memory.resize(static_cast<std::size_t>(2 * (mine.last - mine.first)));
    for (std::size_t i = 0; i < memory.size() / 2; ++i) {
      memory[i] = static_cast<float>(first + static_cast<std::int64_t>(i));
      memory[memory.size() / 2 + i] = -1 - memory[i];
    }
    std::int64_t at = 0;
    for (const auto& spec : specs) {
      const std::int64_t end = at + mesh::elements(spec.shape);
      add(spec.name, common(mine, {at, end}), at, first);
      at = end;
    }
  }

  void add(const std::string& name,
           const Stretch& stretch,
           std::int64_t tensor,
           std::int64_t memory_first) {
    const std::int64_t n = stretch.last - stretch.first;
    if (n > 0) {
      float* weights = memory.data() + (stretch.first - memory_first);
      float* momentum = weights + memory.size() / 2;
      const std::int64_t offset = stretch.first - tensor;
      parts.push_back({name, offset, Tensor(weights, {n})});
      parts.push_back({name + ".momentum", offset, Tensor(momentum, {n})});
    }
  }

  std::vector<float> memory;
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
    launch::run_ranks({.ranks = ranks}, [&](Communicator& comm) {
      Arena arena;
      const Shard shard(config, comm.rank(), ranks);
      save_parts(folder / name, plan_of(config), shard.parts, comm, arena);
    });
  }

  // What the ranks that fail say; with the message of the run first.
  std::vector<std::string> errors_of_saving(const Path& path, int ranks) const {
    std::mutex mutex;
    std::vector<std::string> errors;
    try {
      launch::run_ranks({.ranks = ranks}, [&](Communicator& comm) {
        Arena arena;
        const Shard shard(config, comm.rank(), ranks);
        try {
          save_parts(path, plan_of(config), shard.parts, comm, arena);
          comm.run(comm::Barrier{});
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

// Saved by 3, read by 1 to 5: the bits that were saved, and 0 in the padding.
TEST_F(Gathering, EveryRankReadsItsPartsWhoeverWroteThem) {
  save("a", 3);
  const CheckpointReader reader(folder / "a");
  std::map<std::string, mesh::Dims> shapes;
  for (const auto& spec : model::weights(config)) {
    shapes[spec.name] = shapes[spec.name + ".momentum"] = spec.logical;
  }
  Stream stream(Device::kCpu);
  std::int64_t padding = 0;
  for (int ranks = 1; ranks <= 5; ++ranks) {
    for (int rank = 0; rank < ranks; ++rank) {
      const Shard saved(config, rank, ranks);
      Shard read(config, rank, ranks);
      std::fill(read.memory.begin(), read.memory.end(), 0.5F);
      for (std::size_t i = 0; i < read.parts.size(); ++i) {
        const WeightPart& part = read.parts[i];
        const bool state = part.name.ends_with(".momentum");
        read_part(stream,
                  part,
                  state ? reader.optimizer() : reader.model(),
                  shapes.at(part.name));
        const std::int64_t there =
            elements_within(part, mesh::elements(shapes.at(part.name)));
        const auto* values = part.values.data();
        const auto* wanted = saved.parts[i].values.data();
        EXPECT_TRUE(std::equal(values, values + there, wanted)) << part.name;
        EXPECT_THAT(std::span(values + there, values + part.values.elements()),
                    Each(0.0F));
        padding += part.values.elements() - there;
      }
    }
  }
  const auto token = model::weights(config).front();
  EXPECT_EQ(
      padding,
      5 * 2 * (mesh::elements(token.shape) - mesh::elements(token.logical)));
  EXPECT_GT(padding, 0);
}

// Replicas: everybody has everything, but for one who has nothing.
TEST_F(Gathering, NothingIsSentThatTheFirstRankHas) {
  launch::run_ranks({.ranks = 3}, [&](Communicator& comm) {
    Arena arena;
    Shard shard(config, 0, 1);
    if (comm.rank() == 2) {
      shard.parts.clear();
    }
    save_parts(folder / "a", plan_of(config), shard.parts, comm, arena);
    EXPECT_EQ(comm.traffic().of("world", comm::Kind::kSend).calls, 0U);
    EXPECT_EQ(comm.traffic().of("world", comm::Kind::kRecv).calls, 0U);
    EXPECT_EQ(arena.high_water(), 0U);
  });
  CheckpointReader(folder / "a").verify();
}

// Two groups that hold the same, as in hierarchical sharding.
TEST_F(Gathering, WhatTwoRanksHoldIsSentOnce) {
  launch::run_ranks({.ranks = 4}, [&](Communicator& comm) {
    Arena arena;
    const Shard shard(config, comm.rank() % 2, 2);
    save_parts(folder / "a", plan_of(config), shard.parts, comm, arena);
    const auto sends = comm.traffic().of("world", comm::Kind::kSend).calls;
    EXPECT_EQ(sends > 0, comm.rank() == 1) << comm.rank();
  });
  save("b", 1);
  EXPECT_EQ(CheckpointReader(folder / "a").manifest().files,
            CheckpointReader(folder / "b").manifest().files);
}

// 122 MB, of which rank 0 has a third; of the rest it holds 64 MiB at a time.
TEST_F(Gathering, TakesNoMoreMemoryThanMayBeInFlight) {
  config = small_model(1'900'001);
  launch::run_ranks({.ranks = 3}, [&](Communicator& comm) {
    Arena arena;
    const Shard shard(config, comm.rank(), 3);
    save_parts(folder / "a", plan_of(config), shard.parts, comm, arena);
    EXPECT_LE(arena.high_water(), checkpoint::kInFlightBytes);
    EXPECT_EQ(arena.high_water() > 0, comm.rank() == 0);
  });
  CheckpointReader(folder / "a").verify();
}

TEST_F(Gathering, NamesWhatNobodyHas) {
  const auto error = [&](auto change) {
    try {
      launch::run_ranks({.ranks = 2}, [&](Communicator& comm) {
        Arena arena;
        Shard shard(config, comm.rank(), 2);
        change(shard.parts);
        save_parts(folder / "a", plan_of(config), shard.parts, comm, arena);
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
