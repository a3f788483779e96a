#include "dure/base/check.h"
#include "dure/checkpoint/huggingface_config.h"
#include "dure/checkpoint/json.h"
#include "dure/checkpoint/manifest.h"

namespace dure::checkpoint {
namespace {

using model::Family;
using model::ModelConfig;
using model::Position;
using nlohmann::json;

const char* torch_name(FileDtype dtype) {
  switch (dtype) {
    case FileDtype::kBf16:
      return "bfloat16";
    case FileDtype::kF16:
      return "float16";
    case FileDtype::kF64:
      return "float64";
    default:
      return "float32";
  }
}

json to_gpt2(const ModelConfig& c) {
  return {{"model_type", "gpt2"},
          {"architectures", {"GPT2LMHeadModel"}},
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

json to_llama(const ModelConfig& c) {
  return {{"model_type", "llama"},
          {"architectures", {"LlamaForCausalLM"}},
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

// A sentence for a rate that Llama's config has no key for.
std::string unsaid(const char* key, double rate) {
  return concat("model.",
                key,
                " is ",
                rate,
                ", for which Hugging Face's llama has no key: training that "
                "goes on from there goes on without it");
}

// What is read back must be the model, but for what it does not use.
void expect_same_back(const std::string& text, const ModelConfig& config) {
  ModelConfig back = config_from_huggingface(text, "config.json");
  if (config.position != Position::kRope) {
    back.rope_theta = config.rope_theta;
  }
  const std::string difference = model_difference(back, config);
  DURE_CHECK(difference.empty(),
             "Hugging Face's model of the family ",
             name_of(config.family),
             " can't be written so: ",
             difference);
}

json id_or_null(std::optional<std::int32_t> id) {
  return id ? json(*id) : json(nullptr);
}

}  // namespace

std::vector<std::string> huggingface_leaves_out(const ModelConfig& config) {
  std::vector<std::string> sentences;
  if (config.family == Family::kLlama && config.dropout.embedding > 0) {
    sentences.push_back(unsaid("embedding_dropout", config.dropout.embedding));
  }
  if (config.family == Family::kLlama && config.dropout.hidden > 0) {
    sentences.push_back(unsaid("hidden_dropout", config.dropout.hidden));
  }
  return sentences;
}

std::string config_to_huggingface(const ModelConfig& given,
                                  FileDtype dtype,
                                  const SpecialIds& ids) {
  const ModelConfig config = model::resolve(given);
  json object =
      config.family == Family::kGpt ? to_gpt2(config) : to_llama(config);
  object["vocab_size"] = config.vocabulary;
  object["tie_word_embeddings"] = config.tie_embeddings;
  object["initializer_range"] = config.init_std;
  object["torch_dtype"] = torch_name(dtype);
  // Left out, they would be taken for those of the published models.
  object["bos_token_id"] = id_or_null(ids.beginning);
  object["eos_token_id"] = id_or_null(ids.end);
  const std::string text = object.dump(2) + "\n";
  expect_same_back(text, config);
  return text;
}

}  // namespace dure::checkpoint
