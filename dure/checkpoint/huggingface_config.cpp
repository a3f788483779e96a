#include "dure/checkpoint/huggingface_config.h"

#include <algorithm>
#include <initializer_list>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/checkpoint/huggingface_keys.h"
#include "dure/checkpoint/huggingface_rope.h"
#include "dure/checkpoint/json.h"
#include "dure/model/presets.h"

namespace dure::checkpoint {
namespace {

using model::Family;
using model::ModelConfig;
using nlohmann::json;

// Beyond any model, and small enough that products of two do not overflow.
constexpr std::int64_t kLargest = std::int64_t{1} << 31;

struct Size {
  const char* key;
  const char* also = nullptr;  // another name of the same
};

// A number of something, 0 where the file doesn't say it. GPT-2's sizes have
// two names, that of its files and Transformers' common one.
std::int64_t size_or_0(const JsonFields& fields, const Size& size) {
  const std::int64_t value = fields.positive_or(size.key, 0);
  const std::int64_t also =
      size.also == nullptr ? value : fields.positive_or(size.also, value);
  DURE_CHECK(value == 0 || also == value,
             fields.source(),
             ": ",
             size.key,
             " is ",
             value,
             ", but ",
             size.also,
             ", which is another name of it, ",
             also);
  DURE_CHECK(also <= kLargest,
             fields.source(),
             ": ",
             size.key,
             " is ",
             also,
             "; no model has more than ",
             kLargest);
  return also;
}

std::int64_t size_of(const JsonFields& fields, const Size& size) {
  const std::int64_t value = size_or_0(fields, size);
  return value != 0 ? value : fields.positive(size.key);
}

// The first of `names` where the key isn't there; all of them mean the same.
void expect_name(const JsonFields& fields,
                 const char* key,
                 std::initializer_list<std::string> names) {
  const std::string found = fields.text_or(key, *names.begin());
  DURE_CHECK(std::find(names.begin(), names.end(), found) != names.end(),
             fields.source(),
             ": ",
             key,
             " is ",
             quoted(found),
             "; Dure's ",
             fields.text("model_type"),
             " has only ",
             quoted(*names.begin()));
}

ModelConfig from_gpt2(const JsonFields& fields) {
  expect_name(fields,  // the formula with tanh, by all its names
              "activation_function",
              {"gelu_new",
               "gelu_pytorch_tanh",
               "gelu_python_tanh",
               "gelu_accurate",
               "gelu_fast"});
  ModelConfig config;
  config.family = Family::kGpt;
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

ModelConfig from_llama(const JsonFields& fields) {
  expect_name(fields, "hidden_act", {"silu", "swish"});
  ModelConfig config = model::of_family(Family::kLlama);
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
             fields.source(),
             ": head_dim is ",
             head_dim,
             "; Dure's llama has only hidden_size / num_attention_heads, ",
             config.head_dim());
  return config;
}

ModelConfig valid(const ModelConfig& config, const std::string& source) {
  try {
    model::validate(config);
  } catch (const UsageError& error) {  // the file is wrong, not the usage
    throw Error(source + ": " + error.what());
  }
  return config;
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
             quoted(type),
             "; Dure converts gpt2 and llama");
  ModelConfig config = type == "gpt2" ? from_gpt2(fields) : from_llama(fields);
  config.init_std = fields.number_or("initializer_range", 0.02);
  check_unread(fields);
  return valid(model::resolve(config), source);
}

}  // namespace dure::checkpoint
