// Ranks that should hold the same weights and do not: which weight, and which
// ranks.
#include <cmath>
#include <gmock/gmock.h>
#include <string>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"
#include "dure/parallel/data/shards_testing.h"
#include "dure/run/check_replicas.h"
#include "dure/train/options.h"
#include "dure/train/trainer.h"
#include "tests/small_run.h"

namespace dure {
namespace {

using train::Config;

Config drift_config() {
  Config config = small_gpt();
  config.train.global_batch = 8;
  config.train.micro_batch = 1;
  config.parallel.sums = comm::SumOrder::kRanked;
  config.parallel.bucket_mb = 0.02;
  return train::resolve(config);
}

struct Drift {
  int ranks;
  int drifts;  // this one
  std::int64_t zero;
  std::int64_t zero_group;
  const char* said;
};

void let_drift(comm::Communicator& world,
               const Config& of_run,
               const Drift& drift,
               std::string& weight) {
  Config config = of_run;
  config.train.global_batch = world.size();
  config.parallel.data = world.size();
  config.parallel.zero = drift.zero;
  config.parallel.zero_group = drift.zero_group;
  train::Rank rank({.world = &world});
  train::Trainer trainer(rank, config);
  train::check_replicas(rank, trainer);  // as yet they are alike
  if (world.rank() == drift.drifts) {
    const parallel::Shard shard = weights_of(trainer.rank_model().store())[1];
    shard.values.data<float>()[7] += 1e-6F;
    weight = trainer.rank_model().parameters()[shard.weight].name;
  }
  train::check_replicas(rank, trainer);
}

// A weight that has changed on one rank alone is named, with that rank,
// whatever the order of ranks in the group that compares.
TEST(ReplicaDrift, NamesAReplicaThatDrifted) {
  for (const Drift& drift :
       {Drift{3, 2, 0, 0, "rank 2 has drifted from ranks 0, 1."},
        Drift{3, 0, 0, 0, "rank 0 has drifted from ranks 1, 2."},
        Drift{4, 1, 1, 2, "rank 1 has drifted from ranks 0, 2, 3."},
        Drift{6, 3, 3, 2, "rank 3 has drifted from ranks 1, 5."},
        Drift{2, 1, 0, 0, "rank 0 differs from rank 1, and nothing tells"}}) {
    SCOPED_TRACE(drift.said);
    std::string weight;
    try {
      launch::run_ranks({.ranks = drift.ranks}, [&](comm::Communicator& world) {
        let_drift(world, drift_config(), drift, weight);
      });
      FAIL() << "nobody noticed";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(),
                  testing::AllOf(testing::HasSubstr(" " + weight + " "),
                                 testing::HasSubstr(drift.said)));
    }
  }
}

// The third of four tensor ranks changes a weight that they all hold, then a
// key-value head that it shares with the fourth.
TEST(ReplicaDrift, NamesATensorRankThatDrifted) {
  Config shared = drift_config();
  shared.model.heads = 4;
  shared.model.kv_heads = 2;
  shared.parallel.data = 1;
  shared.parallel.tensor = 4;
  const auto error_of = [&](const char* name, std::int64_t zero) {
    const auto drift = [&](comm::Communicator& world) {
      Config of_ranks = shared;
      of_ranks.parallel.zero = zero;
      train::RankOptions options = train::rank_options(of_ranks);
      options.world = &world;
      train::Rank rank(options);
      train::Trainer trainer(rank, of_ranks);
      train::check_replicas(rank, trainer);
      for (const parallel::Shard& shard :
           weights_of(trainer.rank_model().store())) {
        const auto& all = trainer.rank_model().parameters().all();
        if (world.rank() == 3 &&
            all[static_cast<std::size_t>(shard.weight)].name == name) {
          shard.values.data<float>()[shard.values.elements() - 1] += 1e-3F;
        }
      }
      train::check_replicas(rank, trainer);
    };
    try {
      launch::run_ranks({.ranks = 4}, drift);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  for (const std::int64_t zero : {0, 3}) {
    EXPECT_THAT(error_of("blocks.0.mlp.down.bias", zero),
                testing::AllOf(testing::HasSubstr("blocks.0.mlp.down.bias"),
                               testing::HasSubstr(
                                   "rank 3 has drifted from ranks 0, 1, 2.")));
    EXPECT_THAT(
        error_of("blocks.1.attention.qkv.weight", zero),
        testing::AllOf(testing::HasSubstr("blocks.1.attention.qkv.weight"),
                       testing::HasSubstr("tensor axis"),
                       testing::HasSubstr("rank 2 differs from rank 3")));
    EXPECT_EQ(error_of("blocks.0.mlp.up.weight", zero), "");
  }
}

// A master that drifts by less than a step of its 16-bit weight shows in no
// weight yet.
TEST(ReplicaDrift, NamesAMasterThatDrifted) {
  for (const std::int64_t zero : {0, 1, 3}) {
    SCOPED_TRACE(zero);
    Config config = drift_config();
    config.precision.compute = train::Compute::kBf16;
    config = train::resolve(config);
    config.parallel.data = 4;
    config.parallel.zero = zero;
    config.parallel.zero_group = zero == 0 ? 0 : 2;
    std::string weight;
    try {
      launch::run_ranks({.ranks = 4}, [&](comm::Communicator& world) {
        train::Rank rank({.world = &world});
        train::Trainer trainer(rank, config);
        train::check_replicas(rank, trainer);
        if (world.rank() == 1) {
          const parallel::Shard shard =
              shards_of(trainer.rank_model().store(),
                        {.master = parallel::Access::kWrite})[0];
          float& element = shard.master.data<float>()[3];
          element = std::nextafter(element, 1.0F);
          weight = trainer.rank_model().parameters()[shard.weight].name;
        }
        train::check_replicas(rank, trainer);
      });
      FAIL() << "nobody noticed";
    } catch (const Error& error) {
      EXPECT_THAT(
          error.what(),
          testing::AllOf(testing::HasSubstr("the master of weight " + weight),
                         testing::HasSubstr("rank 1")));
    }
  }
}

// The rows that the head and the embedding share are on both ends.
TEST(ReplicaDrift, NamesAnEndOfThePipelineThatDrifted) {
  Config staged = drift_config();
  staged.model.tie_embeddings = true;
  staged.parallel.data = 1;
  staged.parallel.pipeline = 3;
  for (const std::int64_t zero : {0, 3}) {
    staged.parallel.zero = zero;
    try {
      launch::run_ranks({.ranks = 3}, [&](comm::Communicator& world) {
        train::RankOptions options = train::rank_options(staged);
        options.world = &world;
        train::Rank rank(options);
        train::Trainer trainer(rank, staged);
        train::check_replicas(rank, trainer);
        for (const parallel::Shard& shard :
             weights_of(trainer.rank_model().store())) {
          const auto& all = trainer.rank_model().parameters().all();
          if (world.rank() == 2 &&
              all[static_cast<std::size_t>(shard.weight)].name ==
                  "embedding.token.weight") {
            shard.values.data<float>()[5] += 1e-3F;
          }
        }
        train::check_replicas(rank, trainer);
      });
      FAIL() << "nobody noticed";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(),
                  testing::AllOf(testing::HasSubstr("embedding.token.weight"),
                                 testing::HasSubstr("the tied axis"),
                                 testing::HasSubstr("rank 0 differs from rank "
                                                    "2")));
    }
  }
}

}  // namespace
}  // namespace dure
