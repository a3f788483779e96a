// The one table of a model: its units, and its weights' names, shapes,
// placements and first values.
//
// Everything that goes through all weights reads it: allocation, counting,
// initialisation, checkpoints, conversion. A family describes it (family.h).
// Linear weights are (out, in). A block of a decoder (decoder.h) has
//
//   blocks.I.norm1.weight                 (h)              and .bias
//   blocks.I.attention.qkv.weight         ((H + 2 K) d, h)      .bias
//   blocks.I.attention.projection.weight  (h, H d)              .bias
//   blocks.I.norm2.weight                 (h)                   .bias
//   blocks.I.mlp.up.weight                (f, h)                .bias   GELU
//   blocks.I.mlp.gate_up.weight           (2 f, h)              .bias   SwiGLU
//   blocks.I.mlp.down.weight              (h, f)                .bias
//
// with H heads, K key-value heads, d = h / H, f = ffn_hidden. The rows of qkv
// are all of q, then k, then v, each by head; those of gate_up are the gate,
// then up. Around the blocks stand embedding.token.weight (V, h),
// embedding.position.weight (S, h) for learned positions, final_norm.weight
// (h), .bias, and head.weight (V, h) unless tied. Linear layers have biases if
// `bias` is set, norms if `norm_bias` is. The norm's row says what its weight
// is (nn/norms.h).
//
// Cuts along the tensor axis are Megatron-LM's [1]: qkv, up and gate_up are cut
// by rows ("column-parallel", after Y = X A with A = W^T), projection and down
// by columns ("row-parallel"), embedding and head by vocabulary. If K is less
// than the number of tensor ranks T, T / K neighbours hold the same rows of k
// and v.
//
// [1] Shoeybi et al. 2019, arXiv:1909.08053, section 3.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dure/mesh/placement.h"
#include "dure/model/activation_policy.h"
#include "dure/model/config.h"
#include "dure/model/unit.h"

namespace dure::model {

// Weight decay goes to matrices, not to biases and norms.
enum class Decay : std::uint8_t { kNo, kYes };

// The part of the model that a weight belongs to.
enum class WeightKind : std::uint8_t {
  kEmbedding,
  kAttention,
  kMlp,
  kNorm,
  kHead,
};

struct Init {
  enum class Kind : std::uint8_t { kConstant, kNormal };
  Kind kind = Kind::kConstant;
  double value = 0;  // of kConstant
  double std = 0;    // of kNormal
  bool operator==(const Init&) const = default;
};

struct WeightSpec {
  std::string name = {};
  mesh::Dims shape = {};    // as held: the vocabulary padded
  mesh::Dims logical = {};  // as published: the shape without padded rows
  mesh::Placement placement = {};
  Init init = {};
  Decay decay = Decay::kNo;
  WeightKind part = WeightKind::kNorm;
  std::int64_t block = -1;      // -1 outside the blocks
  std::vector<int> units = {};  // those of the model that use it, ascending
};

// All weights, in the order of the forward pass. Normal values have the
// standard deviation init_std; those that write to the residual stream,
// init_std / sqrt(2 layers) [2, section 2.3]. `tensor` is the size of the
// tensor axis, which the padding depends on. Throws Error if it cuts through a
// head. The config need not be resolved, but must be valid.
//
// [2] Radford et al. 2019, "Language Models are Unsupervised Multitask
// Learners".
std::vector<WeightSpec> weights(const ModelConfig& config,
                                std::int64_t tensor = 1);

// The units of the model, in the order of the forward pass.
std::vector<UnitSpec> units(const ModelConfig& config,
                            const ActivationPolicy& activation_policy = {});

}  // namespace dure::model
