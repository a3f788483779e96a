#include "dure/checkpoint/huggingface_config.h"

#include "dure/base/check.h"
#include "dure/checkpoint/json.h"

namespace dure::checkpoint {
namespace {

using model::Activation;
using model::Family;
using model::ModelConfig;
using model::Norm;
using model::Position;
using nlohmann::json;

// Beyond any model, and small enough that products of two do not overflow.
constexpr std::int64_t kLargest = std::int64_t{1} << 31;
constexpr std::int64_t kMostLayers = 100'000;

template <typename Found, typename Wanted>
void require(const JsonFields& fields,
             const char* key,
             const Found& found,
             const Wanted& wanted) {
  DURE_CHECK(found == wanted,
             fields.source(),
             ": ",
             key,
             " is ",
             found,
             "; Dure's ",
             fields.text("model_type"),
             " has only ",
             wanted);
}

void require_false(const JsonFields& fields, const char* key) {
  DURE_CHECK(!fields.truth_or(key, false),
             fields.source(),
             ": ",
             key,
             " is true; Dure's ",
             fields.text("model_type"),
             " has only false");
}

void check_range(const ModelConfig& config, const std::string& source) {
  const auto check = [&](const char* what, std::int64_t value, auto most) {
    DURE_CHECK(value <= most,
               source,
               ": ",
               what,
               " is ",
               value,
               "; no model has more than ",
               most);
  };
  check("the number of layers", config.layers, kMostLayers);
  check("the hidden size", config.hidden, kLargest);
  check("the feed-forward size", config.ffn_hidden, kLargest);
  check("the vocabulary", config.vocabulary, kLargest);
  check("the number of positions", config.max_sequence, kLargest);
  try {
    model::validate(config);
  } catch (const UsageError& error) {  // the file is wrong, not the usage
    throw Error(source + ": " + error.what());
  }
}

ModelConfig from_gpt2(const JsonFields& fields) {
  const std::string activation =
      fields.text_or("activation_function", "gelu_new");
  if (activation != "gelu_pytorch_tanh") {  // another name of the same
    require(fields, "activation_function", activation, "gelu_new");
  }
  DURE_CHECK(fields.truth_or("scale_attn_weights", true),
             fields.source(),
             ": scale_attn_weights is false; Dure always scales");
  require_false(fields, "scale_attn_by_inverse_layer_idx");
  require_false(fields, "add_cross_attention");
  ModelConfig config;
  config.family = Family::kGpt;
  config.layers = fields.positive("n_layer");
  config.hidden = fields.positive("n_embd");
  config.heads = fields.positive("n_head");
  config.kv_heads = config.heads;
  config.ffn_hidden = fields.positive_or("n_inner", 4 * config.hidden);
  config.vocabulary = fields.positive("vocab_size");
  config.max_sequence = fields.positive("n_positions");
  config.tie_embeddings = fields.truth_or("tie_word_embeddings", true);
  config.dropout.embedding = fields.number_or("embd_pdrop", 0.1);
  config.dropout.attention = fields.number_or("attn_pdrop", 0.1);
  config.dropout.hidden = fields.number_or("resid_pdrop", 0.1);
  config.norm_epsilon = fields.number_or("layer_norm_epsilon", 1e-5);
  config.init_std = fields.number_or("initializer_range", 0.02);
  return config;
}

// Transformers 5 moved rope_theta and rope_scaling into rope_parameters.
double rope_theta_of(const JsonFields& fields) {
  if (!fields.has("rope_parameters")) {
    DURE_CHECK(!fields.has("rope_scaling"),
               fields.source(),
               ": rope_scaling is set; Dure has only plain RoPE (null)");
    return fields.number_or("rope_theta", 10000);
  }
  const JsonFields rope(fields.object("rope_parameters"),
                        fields.source() + ": rope_parameters");
  const std::string type = rope.text_or("rope_type", "default");
  DURE_CHECK(type == "default",
             rope.source(),
             ": rope_type is ",
             type,
             "; Dure has only plain RoPE (default)");
  return rope.number_or("rope_theta", 10000);
}

ModelConfig from_llama(const JsonFields& fields) {
  require(fields, "hidden_act", fields.text_or("hidden_act", "silu"), "silu");
  require_false(fields, "attention_bias");
  require_false(fields, "mlp_bias");
  ModelConfig config;
  config.family = Family::kLlama;
  config.norm = Norm::kRmsNorm;
  config.position = Position::kRope;
  config.activation = Activation::kSwiglu;
  config.bias = false;
  config.layers = fields.positive("num_hidden_layers");
  config.hidden = fields.positive("hidden_size");
  config.heads = fields.positive("num_attention_heads");
  config.kv_heads = fields.positive_or("num_key_value_heads", config.heads);
  config.ffn_hidden = fields.positive("intermediate_size");
  config.vocabulary = fields.positive("vocab_size");
  config.max_sequence = fields.positive("max_position_embeddings");
  config.tie_embeddings = fields.truth_or("tie_word_embeddings", false);
  config.norm_epsilon = fields.number_or("rms_norm_eps", 1e-6);
  config.rope_theta = rope_theta_of(fields);
  config.init_std = fields.number_or("initializer_range", 0.02);
  const std::int64_t head_dim =
      fields.positive_or("head_dim", config.head_dim());
  require(fields, "head_dim", head_dim, config.head_dim());
  return config;
}

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

// That a setting is the one which Hugging Face's model of the family has.
template <typename Value>
void expect_setting(const char* family,
                    const char* key,
                    const Value& value,
                    const Value& wanted,
                    const char* meaning) {
  DURE_CHECK(value == wanted,
             "Hugging Face's ",
             family,
             " can't be written: model.",
             key,
             " must be ",
             meaning);
}

json to_gpt2(const ModelConfig& c) {
  constexpr const char* kFamily = "gpt2";
  expect_setting(kFamily, "norm", c.norm, Norm::kLayerNorm, "layer_norm");
  expect_setting(
      kFamily, "position", c.position, Position::kLearned, "learned");
  expect_setting(
      kFamily, "activation", c.activation, Activation::kGelu, "gelu");
  expect_setting(kFamily, "bias", c.bias, true, "true");
  expect_setting(kFamily, "kv_heads", c.kv_heads, c.heads, "model.heads");
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
  constexpr const char* kFamily = "llama";
  expect_setting(kFamily, "norm", c.norm, Norm::kRmsNorm, "rms_norm");
  expect_setting(kFamily, "position", c.position, Position::kRope, "rope");
  expect_setting(
      kFamily, "activation", c.activation, Activation::kSwiglu, "swiglu");
  expect_setting(kFamily, "bias", c.bias, false, "false");
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
          {"attention_bias", false},
          {"mlp_bias", false}};
}

}  // namespace

ModelConfig config_from_huggingface(std::string_view text,
                                    const std::string& source) {
  const json object = parse_object(text, source);
  const JsonFields fields(object, source);
  const std::string type = fields.text("model_type");
  DURE_CHECK(type == "gpt2" || type == "llama",
             source,
             ": model_type is ",
             type,
             "; Dure converts gpt2 and llama");
  const ModelConfig config =
      type == "gpt2" ? from_gpt2(fields) : from_llama(fields);
  check_range(config, source);
  return config;
}

std::string config_to_huggingface(const ModelConfig& given, FileDtype dtype) {
  const ModelConfig config = model::resolve(given);
  json object =
      config.family == Family::kGpt ? to_gpt2(config) : to_llama(config);
  object["vocab_size"] = config.vocabulary;
  object["tie_word_embeddings"] = config.tie_embeddings;
  object["initializer_range"] = config.init_std;
  object["torch_dtype"] = torch_name(dtype);
  // The ids belong to the tokenizer, which is not known here; left out, they
  // would be taken for those of the published models.
  object["bos_token_id"] = nullptr;
  object["eos_token_id"] = nullptr;
  return object.dump(2) + "\n";
}

}  // namespace dure::checkpoint
