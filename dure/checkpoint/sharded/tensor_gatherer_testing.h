// Ranks that hold parts of a small model's weights and their momentum, and save
// them.
#pragma once

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/checkpoint/sharded/tensor_gatherer.h"
#include "dure/launch/run_ranks.h"
#include "dure/model/weights.h"
#include "dure/tensor/stream.h"

namespace dure::train {

using checkpoint::CheckpointContent;
using checkpoint::CheckpointPlan;
using checkpoint::CheckpointReader;
using checkpoint::FileDtype;
using comm::Communicator;

inline model::ModelConfig small_model(std::int64_t vocabulary = 61) {
  model::ModelConfig config;
  config.layers = 1;
  config.hidden = 8;
  config.heads = 2;
  config.vocabulary = vocabulary;
  config.max_sequence = 5;
  return model::resolve(config);
}

inline CheckpointPlan plan_of(const model::ModelConfig& config,
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

// The place of a rank among T tensor ranks, and among the ranks that shard what
// each of them has.
struct Place {
  mesh::Part part = {};
  int shard = 0;
  int shards = 1;
};

// The place of a world rank on a mesh: tensor ranks are neighbours.
inline Place place_of(int rank, int tensor, int shards) {
  return {.part = {rank % tensor, tensor},
          .shard = rank / tensor % shards,
          .shards = shards};
}

// Parts that stay in place while they are held.
inline Holding holding_of(const WeightCuts& cuts,
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

// A rank's near-even shard of its parts of all weights, padded, one after
// another, and the same of their momentum. Values are numbered through the
// whole weights, so that no two elements are equal; padding is -0.5.
struct Shard {
  Shard(const model::ModelConfig& config, const Place& place)
      : cuts(config, mesh::Place().with(mesh::Axis::kTensor, place.part)) {
    const auto specs = model::weights(config, place.part.count);
    std::int64_t total = 0;
    for (const auto& spec : specs) {
      total += cuts.local(spec.name).elements();
    }
    const comm::Counts counts = comm::even_counts(total, place.shards);
    const std::int64_t first = comm::offset_of(counts, place.shard);
    const ElementRange mine = {first, first + counts[place.shard]};
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
           const ElementRange& stretch,
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

  // Saves `copies` of everything, as in hierarchical sharding.
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

  // The messages of the ranks that fail, with that of the run first.
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

}  // namespace dure::train
