// The configuration of a model: the sizes and choices of a decoder-only
// transformer.
//
// GPT-2 and Llama are two settings of the same fields. Presets fill in the
// published sizes; `resolve` fills in the rest from the family.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dure/nn/norms.h"

namespace dure::model {

struct Family;  // family.h
extern const Family kGpt;

// The bias of norms; resolve() replaces kAutomatic by the norm row's default.
enum class NormBias : std::uint8_t { kAutomatic, kYes, kNo };
enum class Position : std::uint8_t { kLearned, kRope, kAlibi, kNone };
enum class Activation : std::uint8_t { kGelu, kSwiglu };  // kGelu: tanh form

// The share of values dropped in training: of the embedding, of the attention's
// weights, and of a branch's output.
struct DropoutRates {
  double embedding = 0;
  double attention = 0;
  double hidden = 0;

  DropoutRates() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): one rate is one for all
  DropoutRates(double rate) : embedding(rate), attention(rate), hidden(rate) {}
  bool operator==(const DropoutRates&) const = default;
};

struct ModelConfig {
  std::string preset = {};
  const Family* family = &kGpt;
  std::int64_t layers = 12;
  std::int64_t hidden = 768;
  std::int64_t heads = 12;
  std::int64_t kv_heads = 0;    // 0: heads
  std::int64_t ffn_hidden = 0;  // 0: 4 hidden (GPT), 8/3 hidden to 256 (Llama)
  std::int64_t vocabulary = 50257;
  std::int64_t max_sequence = 1024;
  const nn::NormRow* norm = &nn::kLayerNorm;
  NormBias norm_bias = NormBias::kAutomatic;
  Position position = Position::kLearned;
  std::int64_t window = 0;  // keys that a query sees, itself included; 0: all
  Activation activation = Activation::kGelu;
  bool bias = true;
  bool tie_embeddings = true;
  DropoutRates dropout = {};
  double norm_epsilon = 1e-5;
  double rope_theta = 10000;
  double init_std = 0.02;

  std::int64_t head_dim() const { return hidden / heads; }
  bool operator==(const ModelConfig&) const = default;
};

// The vocabulary rounded up to a multiple of 128 x tensor (Megatron-LM's rule):
// 50257 gives 50304, 50432, 50688 for tensor sizes 1, 2, 4.
std::int64_t padded_vocabulary(std::int64_t vocabulary, std::int64_t tensor);

// Fills in kv_heads and ffn_hidden if they are 0, and norm_bias.
ModelConfig resolve(ModelConfig config);

// Throws UsageError, naming valid sizes, unless so many tensor ranks can share
// every matrix: they take equal numbers of heads, of key-value heads (or
// several ranks have the same one), and of ffn_hidden's columns. The vocabulary
// is padded so that it divides. `key` is the setting that the number came from.
// The config must be resolved.
void validate_tensor(const ModelConfig& config,
                     std::int64_t tensor,
                     const std::string& key);

}  // namespace dure::model
