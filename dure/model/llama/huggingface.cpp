#include <fmt/core.h>

#include "dure/base/check.h"
#include "dure/base/json.h"
#include "dure/model/huggingface/fields.h"
#include "dure/model/huggingface/rope.h"
#include "dure/model/llama/llama.h"

namespace dure::model {
namespace {

using nlohmann::json;

constexpr ForeignName kNames[] = {
    {"embedding.token.weight", {"model.embed_tokens.weight"}},
    {"blocks.#.norm1.weight", {"model.layers.#.input_layernorm.weight"}},
    {"blocks.#.attention.qkv.weight",
     {"model.layers.#.self_attn.q_proj.weight",
      "model.layers.#.self_attn.k_proj.weight",
      "model.layers.#.self_attn.v_proj.weight"}},
    {"blocks.#.attention.projection.weight",
     {"model.layers.#.self_attn.o_proj.weight"}},
    {"blocks.#.norm2.weight",
     {"model.layers.#.post_attention_layernorm.weight"}},
    {"blocks.#.mlp.gate_up.weight",
     {"model.layers.#.mlp.gate_proj.weight",
      "model.layers.#.mlp.up_proj.weight"}},
    {"blocks.#.mlp.down.weight", {"model.layers.#.mlp.down_proj.weight"}},
    {"final_norm.weight", {"model.norm.weight"}},
    {"head.weight", {"lm_head.weight"}},
};

constexpr std::string_view kConstants[] = {".rotary_emb.inv_freq"};

ModelConfig read_config(const JsonFields& fields) {
  expect_name(fields, "hidden_act", {"silu", "swish"});
  ModelConfig config = of_family(kLlama);
  config.layers = size_of(fields, {"num_hidden_layers"});
  config.hidden = size_of(fields, {"hidden_size"});
  config.heads = size_of(fields, {"num_attention_heads"});
  config.kv_heads = size_or_0(fields, {"num_key_value_heads"});
  config.ffn_hidden = size_of(fields, {"intermediate_size"});
  config.vocabulary = size_of(fields, {"vocab_size"});
  config.max_sequence = size_of(fields, {"max_position_embeddings"});
  config.tie_embeddings = fields.truth_or("tie_word_embeddings", false);
  config.dropout.attention = fields.number_or("attention_dropout", 0);
  config.norm_epsilon = fields.number_or("rms_norm_eps", 1e-6);
  config.rope_theta = rope_theta_of(fields);
  const std::int64_t head_dim =
      fields.positive_or("head_dim", config.head_dim());
  DURE_CHECK(head_dim == config.head_dim(),
             "{}: head_dim is {}; Dure's llama has only hidden_size / "
             "num_attention_heads, {}",
             fields.source(),
             head_dim,
             config.head_dim());
  return config;
}

json write_config(const ModelConfig& c) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"hidden_act", "silu"},
          {"num_hidden_layers", c.layers},
          {"hidden_size", c.hidden},
          {"num_attention_heads", c.heads},
          {"num_key_value_heads", c.kv_heads},
          {"intermediate_size", c.ffn_hidden},
          {"max_position_embeddings", c.max_sequence},
          {"rms_norm_eps", c.norm_epsilon},
          {"rope_theta", c.rope_theta},
          {"attention_dropout", c.dropout.attention},
          {"attention_bias", false},
          {"mlp_bias", false}};
}

// A sentence for a rate that has no key in Llama's config.
std::string unsaid(const char* key, double rate) {
  return fmt::format(
      "model.{} is {:g}, for which Hugging Face's llama has no key: training "
      "that goes on from there goes on without it",
      key,
      rate);
}

std::vector<std::string> left_out(const ModelConfig& config) {
  std::vector<std::string> sentences;
  if (config.dropout.embedding > 0) {
    sentences.push_back(unsaid("embedding_dropout", config.dropout.embedding));
  }
  if (config.dropout.hidden > 0) {
    sentences.push_back(unsaid("hidden_dropout", config.dropout.hidden));
  }
  return sentences;
}

}  // namespace

constinit const HuggingFaceModel kHuggingFaceLlama = {.type = "llama",
                                                      .names = kNames,
                                                      .base = "model.",
                                                      .constants = kConstants,
                                                      .read = read_config,
                                                      .write = write_config,
                                                      .left_out = left_out};

}  // namespace dure::model
