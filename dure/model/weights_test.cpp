#include "dure/model/weights.h"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/model/llama/llama.h"

namespace dure::model {
namespace {

ModelConfig llama() {
  return {.family = &kLlama,
          .layers = 2,
          .hidden = 64,
          .heads = 8,
          .kv_heads = 2,
          .ffn_hidden = 96,
          .vocabulary = 300,
          .norm = &nn::kRmsNorm,
          .position = Position::kRope,
          .activation = Activation::kSwiglu,
          .bias = false,
          .tie_embeddings = false};
}

const WeightSpec& find(const std::vector<WeightSpec>& table,
                       const std::string& name) {
  for (const WeightSpec& spec : table) {
    if (spec.name == name) {
      return spec;
    }
  }
  throw std::out_of_range(name);
}

std::vector<std::string> names(const std::vector<WeightSpec>& table) {
  std::vector<std::string> result;
  for (const WeightSpec& spec : table) {
    result.push_back(spec.name);
  }
  return result;
}

TEST(Weights, OfGptAreInTheOrderOfTheForwardPass) {
  const std::vector<std::string> expected = {
      "embedding.token.weight",
      "embedding.position.weight",
      "blocks.0.norm1.weight",
      "blocks.0.norm1.bias",
      "blocks.0.attention.qkv.weight",
      "blocks.0.attention.qkv.bias",
      "blocks.0.attention.projection.weight",
      "blocks.0.attention.projection.bias",
      "blocks.0.norm2.weight",
      "blocks.0.norm2.bias",
      "blocks.0.mlp.up.weight",
      "blocks.0.mlp.up.bias",
      "blocks.0.mlp.down.weight",
      "blocks.0.mlp.down.bias",
      "final_norm.weight",
      "final_norm.bias",
  };
  EXPECT_EQ(names(weights({.layers = 1})), expected);
}

TEST(Weights, OfLlamaHaveNoBiasAndAHeadOfTheirOwn) {
  const auto table = weights(llama());
  const std::vector<std::string> first_block = {
      "embedding.token.weight",
      "blocks.0.norm1.weight",
      "blocks.0.attention.qkv.weight",
      "blocks.0.attention.projection.weight",
      "blocks.0.norm2.weight",
      "blocks.0.mlp.gate_up.weight",
      "blocks.0.mlp.down.weight",
  };
  auto got = names(table);
  EXPECT_EQ(got.back(), "head.weight");
  got.resize(first_block.size());
  EXPECT_EQ(got, first_block);
}

TEST(Weights, HaveTheShapesOfFusedMatrices) {
  const auto table = weights(llama());
  const auto& qkv = find(table, "blocks.1.attention.qkv.weight");
  EXPECT_EQ(qkv.shape, (mesh::Dims{64 + 2 * 16, 64}));
  EXPECT_EQ(qkv.placement[0].sections, (mesh::Dims{64, 16, 16}));
  const auto& gate_up = find(table, "blocks.0.mlp.gate_up.weight");
  EXPECT_EQ(gate_up.shape, (mesh::Dims{192, 64}));
  EXPECT_EQ(gate_up.placement[0].sections, (mesh::Dims{96, 96}));
  EXPECT_EQ(find(table, "blocks.0.mlp.down.weight").shape,
            (mesh::Dims{64, 96}));
}

TEST(Weights, PadTheVocabularyAndRememberItsSize) {
  const auto table = weights(llama(), 2);
  for (const char* name : {"embedding.token.weight", "head.weight"}) {
    const auto& spec = find(table, name);
    EXPECT_EQ(spec.shape, (mesh::Dims{512, 64})) << name;
    EXPECT_EQ(spec.logical, (mesh::Dims{300, 64})) << name;
  }
}

// Megatron cuts the out-features of the first matrix of each pair, and the
// in-features of the second, whose bias every rank holds.
TEST(Weights, AreCutAsPairsOfMatrices) {
  const auto table = weights({.layers = 1});
  EXPECT_EQ(find(table, "blocks.0.attention.qkv.weight").placement[0].dim, 0);
  EXPECT_EQ(find(table, "blocks.0.attention.qkv.bias").placement[0].dim, 0);
  EXPECT_EQ(find(table, "blocks.0.mlp.up.bias").placement[0].dim, 0);
  EXPECT_EQ(find(table, "blocks.0.mlp.down.weight").placement[0].dim, 1);
  for (const char* name : {"blocks.0.mlp.down.bias",
                           "embedding.position.weight",
                           "blocks.0.norm1.weight"}) {
    EXPECT_EQ(find(table, name).placement, mesh::Placement()) << name;
  }
}

// There are 8 heads for 2 key-value heads of 8 rows each.
TEST(Weights, OfFewKeyValueHeadsAreOnSeveralRanks) {
  const mesh::Placement placement =
      find(weights(llama(), 8), "blocks.0.attention.qkv.weight").placement;
  EXPECT_EQ(copies_of(placement[0], 2), (mesh::Dims{1, 1, 1}));
  EXPECT_EQ(copies_of(placement[0], 8), (mesh::Dims{1, 4, 4}));
  EXPECT_EQ(local_shape({96, 64},
                        placement,
                        mesh::Place().with(mesh::Axis::kTensor, {.count = 8})),
            (mesh::Dims{8 + 2 * 8, 64}));
}

TEST(Weights, AreNotCutThroughAHead) {
  for (const std::int64_t tensor : {0, 3, 6, 16}) {
    EXPECT_THROW(weights(llama(), tensor), Error) << tensor;
  }
  ModelConfig of_three = llama();
  of_three.heads = 12;
  of_three.kv_heads = 3;
  of_three.hidden = 96;
  EXPECT_THROW(weights(of_three, 4), Error);  // 3 over 4
  EXPECT_NO_THROW(weights(of_three, 6));
}

TEST(Weights, OnlyMatricesDecay) {
  for (const WeightSpec& spec : weights({.layers = 1})) {
    EXPECT_EQ(spec.decay == Decay::kYes, spec.shape.size() == 2) << spec.name;
  }
}

TEST(Weights, ThatWriteToTheResidualStreamBeginSmaller) {
  const auto table = weights({.layers = 8, .init_std = 0.02});
  const Init wide{.kind = Init::Kind::kNormal, .std = 0.02};
  const Init narrow{.kind = Init::Kind::kNormal, .std = 0.005};  // / sqrt(16)
  EXPECT_EQ(find(table, "blocks.7.mlp.up.weight").init, wide);
  EXPECT_EQ(find(table, "embedding.token.weight").init, wide);
  EXPECT_EQ(find(table, "blocks.7.mlp.down.weight").init, narrow);
  EXPECT_EQ(find(table, "blocks.7.attention.projection.weight").init, narrow);
  EXPECT_EQ(find(table, "final_norm.weight").init, Init{.value = 1});
  EXPECT_EQ(find(table, "blocks.0.mlp.up.bias").init, Init{});
}

}  // namespace
}  // namespace dure::model
