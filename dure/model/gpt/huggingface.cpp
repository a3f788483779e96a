#include "dure/base/check.h"
#include "dure/base/json.h"
#include "dure/model/gpt/gpt.h"
#include "dure/model/huggingface/fields.h"

namespace dure::model {
namespace {

using nlohmann::json;

constexpr ForeignName kNames[] = {
    {"embedding.token.weight", {"transformer.wte.weight"}},
    {"embedding.position.weight", {"transformer.wpe.weight"}},
    {"blocks.#.norm1.weight", {"transformer.h.#.ln_1.weight"}},
    {"blocks.#.norm1.bias", {"transformer.h.#.ln_1.bias"}},
    {"blocks.#.attention.qkv.weight",
     {"transformer.h.#.attn.c_attn.weight"},
     Layout::kTransposed},
    {"blocks.#.attention.qkv.bias", {"transformer.h.#.attn.c_attn.bias"}},
    {"blocks.#.attention.projection.weight",
     {"transformer.h.#.attn.c_proj.weight"},
     Layout::kTransposed},
    {"blocks.#.attention.projection.bias",
     {"transformer.h.#.attn.c_proj.bias"}},
    {"blocks.#.norm2.weight", {"transformer.h.#.ln_2.weight"}},
    {"blocks.#.norm2.bias", {"transformer.h.#.ln_2.bias"}},
    {"blocks.#.mlp.up.weight",
     {"transformer.h.#.mlp.c_fc.weight"},
     Layout::kTransposed},
    {"blocks.#.mlp.up.bias", {"transformer.h.#.mlp.c_fc.bias"}},
    {"blocks.#.mlp.down.weight",
     {"transformer.h.#.mlp.c_proj.weight"},
     Layout::kTransposed},
    {"blocks.#.mlp.down.bias", {"transformer.h.#.mlp.c_proj.bias"}},
    {"final_norm.weight", {"transformer.ln_f.weight"}},
    {"final_norm.bias", {"transformer.ln_f.bias"}},
    {"head.weight", {"lm_head.weight"}},
};

constexpr std::string_view kConstants[] = {".attn.bias", ".attn.masked_bias"};

ModelConfig read_config(const JsonFields& fields) {
  expect_name(fields,  // the formula with tanh, by all its names
              "activation_function",
              {"gelu_new",
               "gelu_pytorch_tanh",
               "gelu_python_tanh",
               "gelu_accurate",
               "gelu_fast"});
  ModelConfig config = of_family(kGpt);
  config.layers = size_of(fields, {"n_layer", "num_hidden_layers"});
  config.hidden = size_of(fields, {"n_embd", "hidden_size"});
  config.heads = size_of(fields, {"n_head", "num_attention_heads"});
  config.ffn_hidden = size_or_0(fields, {"n_inner"});
  config.vocabulary = size_of(fields, {"vocab_size"});
  config.max_sequence =
      size_of(fields, {"n_positions", "max_position_embeddings"});
  config.tie_embeddings = fields.truth_or("tie_word_embeddings", true);
  config.dropout.embedding = fields.number_or("embd_pdrop", 0.1);
  config.dropout.attention = fields.number_or("attn_pdrop", 0.1);
  config.dropout.hidden = fields.number_or("resid_pdrop", 0.1);
  config.norm_epsilon = fields.number_or("layer_norm_epsilon", 1e-5);
  return config;
}

json write_config(const ModelConfig& c) {
  return {{"architectures", {"GPT2LMHeadModel"}},
          {"activation_function", "gelu_new"},
          {"n_layer", c.layers},
          {"n_embd", c.hidden},
          {"n_head", c.heads},
          {"n_inner", c.ffn_hidden},
          {"n_positions", c.max_sequence},
          {"layer_norm_epsilon", c.norm_epsilon},
          {"embd_pdrop", c.dropout.embedding},
          {"attn_pdrop", c.dropout.attention},
          {"resid_pdrop", c.dropout.hidden}};
}

std::vector<std::string> left_out(const ModelConfig& /*config*/) {
  return {};
}

}  // namespace

constinit const HuggingFaceModel kHuggingFaceGpt2 = {.type = "gpt2",
                                                     .names = kNames,
                                                     .base = "transformer.",
                                                     .constants = kConstants,
                                                     .read = read_config,
                                                     .write = write_config,
                                                     .left_out = left_out};

}  // namespace dure::model
