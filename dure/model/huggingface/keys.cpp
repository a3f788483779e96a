#include "dure/model/huggingface/keys.h"

#include <algorithm>
#include <string_view>

#include "dure/base/check.h"
#include "dure/base/quote.h"

namespace dure::model {
namespace {

using nlohmann::json;

// Keys of Transformers 4.30 to 5.24 and of published files, by the reason why
// they change nothing here. A key that begins with '_' is private to
// Transformers; one that ends with "_token_id" belongs to the tokenizer.
constexpr std::string_view kHarmless[] = {
    // These say where the file comes from, and for which program.
    "finetuning_task",
    "is_llama_config",
    "name_or_path",
    "tokenizer_class",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    // These are the type of the weights, which the tensors' files state.
    "dtype",
    "torch_dtype",
    "use_bfloat16",
    // These are heads for other tasks, whose weights are refused if present.
    "architectures",
    "classifier_dropout",
    "id2label",
    "label2id",
    "num_labels",
    "problem_type",
    "summary_activation",
    "summary_first_dropout",
    "summary_last_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "task_specific_params",
    // These say what is returned, kept or computed again, and by which kernels.
    "attn_implementation",
    "chunk_size_feed_forward",
    "gradient_checkpointing",
    "is_decoder",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "return_dict",
    "tf_legacy_loss",
    "tie_last_hidden_states",
    "torchscript",
    "use_cache",
    "xla_device",
    // These give the same sums in f32, or in another order: softmax is in f32
    // here.
    "pretraining_tp",
    "reorder_and_upcast_attn",
    // These are lengths that nothing reads: the model's length is that of its
    // positions.
    "max_sequence_length",
    "model_max_length",
    "n_ctx",
    // These say how text is generated, as the options of `dure generate` do.
    "bad_words_ids",
    "begin_suppress_tokens",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "length_penalty",
    "max_length",
    "min_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_scores",
    "prefix",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict_in_generate",
    "suppress_tokens",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
};

// Keys whose value asks for what Dure does anyway, although it isn't off.
struct Plain {
  std::string_view key;
  const char* value;  // JSON
};

constexpr Plain kPlain[] = {
    {"causal", "true"},
    {"is_causal", "true"},
    {"scale_attn_weights", "true"},
    {"use_rope", "true"},
    {"partial_rotary_factor", "1"},
    {"rotary_pct", "1"},
    {"embedding_multiplier", "1"},
    {"logit_scale", "1"},
    {"logits_scaling", "1"},
    {"residual_multiplier", "1"},
    {"attention_dropout", "0"},
    {"attn_pdrop", "0"},
    {"dropout", "0"},
    {"embd_pdrop", "0"},
    {"embedding_dropout", "0"},
    {"hidden_dropout", "0"},
    {"resid_pdrop", "0"},
};

bool is_harmless(std::string_view key) {
  constexpr std::string_view kId = "_token_id";
  const bool id =
      key.size() > kId.size() && key.substr(key.size() - kId.size()) == kId;
  return id || key.substr(0, 1) == "_" ||
         std::find(std::begin(kHarmless), std::end(kHarmless), key) !=
             std::end(kHarmless);
}

bool is_off(const json& value) {
  // NOLINTNEXTLINE(readability-container-size-empty): a text is no container
  return value.is_null() || value == false || value == "" ||
         (value.is_structured() && value.empty());
}

// Whether no code beside the file would change the model.
bool names_no_model_code(const json& auto_map) {
  const auto items = auto_map.items();
  return auto_map.is_object() &&
         std::none_of(items.begin(), items.end(), [](const auto& item) {
           return item.key().rfind("AutoModel", 0) == 0;
         });
}

bool is_full_attention(const json& layer_types) {
  return layer_types.is_array() &&
         std::all_of(layer_types.begin(), layer_types.end(), [](const json& t) {
           return t == "full_attention";
         });
}

bool changes_nothing(const std::string& key, const json& value) {
  for (const Plain& plain : kPlain) {
    if (key == plain.key) {
      return value == json::parse(plain.value);
    }
  }
  return is_off(value) || is_harmless(key) ||
         (key == "auto_map" && names_no_model_code(value)) ||
         (key == "layer_types" && is_full_attention(value));
}

void check(bool harmless, const JsonFields& fields, const std::string& key) {
  DURE_CHECK(harmless,
             "{}: {} is {}, which Dure does not have; take the key out if the "
             "model computes the same without it",
             fields.source(),
             quoted(key),
             fields.shown(key));
}

}  // namespace

void check_unread(const JsonFields& fields) {
  for (const std::string& key : fields.unread()) {
    check(changes_nothing(key, fields.value(key)), fields, key);
  }
}

void check_all_read(const JsonFields& fields) {
  for (const std::string& key : fields.unread()) {
    check(is_off(fields.value(key)), fields, key);
  }
}

}  // namespace dure::model
