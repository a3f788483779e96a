#include "tests/oracle/megatron.h"

#include <gtest/gtest.h>

namespace dure::mesh {
namespace {

using Ranks = std::vector<int>;

// A getter's value on every rank.
template <typename Getter>
auto on_every_rank(const Mesh& mesh, Getter getter) {
  std::vector<decltype((Mpu{mesh, 0}.*getter)())> result;
  for (int rank = 0; rank < mesh.size(); ++rank) {
    result.push_back((Mpu{mesh, rank}.*getter)());
  }
  return result;
}

TEST(Mpu, PrintsWhatMegatronPrintsOnFourRanks) {
  const Mesh mesh({.pipe = 2, .tensor = 2});
  EXPECT_EQ(on_every_rank(mesh, &Mpu::get_tensor_model_parallel_rank),
            (Ranks{0, 1, 0, 1}));
  EXPECT_EQ(on_every_rank(mesh, &Mpu::get_pipeline_model_parallel_rank),
            (Ranks{0, 0, 1, 1}));
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_EQ((Mpu{mesh, rank}.get_data_parallel_rank()), 0);
    EXPECT_EQ((Mpu{mesh, rank}.get_data_parallel_world_size()), 1);
    EXPECT_EQ((Mpu{mesh, rank}.get_data_parallel_group()), (Ranks{rank}));
  }
}

TEST(Mpu, NamesTheSourceOfATensorGroup) {
  const Mesh mesh({.pipe = 2, .data = 2, .tensor = 4});
  for (int rank = 0; rank < mesh.size(); ++rank) {
    EXPECT_EQ((Mpu{mesh, rank}.get_tensor_model_parallel_src_rank()),
              rank / 4 * 4);
  }
}

TEST(Mpu, FollowsThePipeline) {
  const Mesh mesh({.pipe = 4, .data = 2, .tensor = 2});
  const Mpu last{.mesh = mesh, .rank = 13};
  EXPECT_EQ(last.get_pipeline_model_parallel_group(), (Ranks{1, 5, 9, 13}));
  EXPECT_EQ(last.get_pipeline_model_parallel_first_rank(), 1);
  EXPECT_EQ(last.get_pipeline_model_parallel_last_rank(), 13);
  EXPECT_EQ(last.get_pipeline_model_parallel_next_rank(), 1);
  EXPECT_EQ(last.get_pipeline_model_parallel_prev_rank(), 9);
  EXPECT_TRUE(last.is_pipeline_last_stage());
  EXPECT_FALSE(last.is_pipeline_first_stage());
}

TEST(Mpu, MeansTheTensorGroupByModelParallel) {
  const Mesh mesh({.pipe = 4, .data = 2, .tensor = 2});
  const Mpu mpu{.mesh = mesh, .rank = 13};
  EXPECT_EQ(mpu.get_model_parallel_group(), (Ranks{12, 13}));
  EXPECT_EQ(mpu.get_model_parallel_world_size(), 2);
  EXPECT_EQ(mpu.get_model_parallel_rank(), 1);
  EXPECT_EQ(mpu.get_model_parallel_src_rank(), 12);
}

TEST(Mpu, HoldsEmbeddingsAtBothEnds) {
  const Mesh mesh({.pipe = 4, .tensor = 2});
  const auto member = on_every_rank(mesh, &Mpu::is_rank_in_embedding_group);
  EXPECT_EQ(
      member,
      (std::vector<bool>{true, true, false, false, false, false, true, true}));
  EXPECT_EQ((Mpu{mesh, 3}.get_embedding_group()), (Ranks{1, 7}));
  EXPECT_EQ((Mpu{mesh, 3}.get_position_embedding_group()), (Ranks{1}));
  EXPECT_FALSE((Mpu{mesh, 7}.is_rank_in_position_embedding_group()));
  // A stage that is both first and last has one embedding.
  EXPECT_EQ((Mpu{Mesh({.tensor = 2}), 1}.get_embedding_group()), (Ranks{1}));
}

TEST(Mpu, CountsExpertsWithinDataParallelism) {
  const Mesh mesh({.data = 2, .context = 2, .expert = 2, .tensor = 2});
  const Mpu mpu{.mesh = mesh, .rank = 13};  // at data 1, expert 1, tensor 1
  using enum Mpu::Context;
  EXPECT_EQ(mpu.get_data_parallel_group(), (Ranks{1, 5, 9, 13}));
  EXPECT_EQ(mpu.get_data_parallel_world_size(), 4);
  EXPECT_EQ(mpu.get_data_parallel_rank(), 3);
  EXPECT_EQ(mpu.get_data_parallel_src_rank(), 1);
  EXPECT_EQ(mpu.get_data_parallel_world_size(kWith), 8);
  EXPECT_EQ(mpu.get_data_parallel_rank(kWith), 6);
  EXPECT_EQ(mpu.get_context_parallel_group(), (Ranks{13, 15}));
  EXPECT_EQ(mpu.get_expert_model_parallel_group(), (Ranks{9, 13}));
  EXPECT_EQ(mpu.get_expert_model_parallel_rank(), 1);
  EXPECT_EQ(mpu.get_expert_data_parallel_group(), (Ranks{5, 7, 13, 15}));
  EXPECT_EQ(mpu.get_expert_data_parallel_rank(), 2);
  EXPECT_EQ(mpu.get_tensor_and_context_parallel_group(),
            (Ranks{12, 13, 14, 15}));
  EXPECT_EQ(mpu.get_tensor_and_data_parallel_group(),
            (Ranks{0, 1, 4, 5, 8, 9, 12, 13}));
}

}  // namespace
}  // namespace dure::mesh
