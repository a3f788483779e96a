#include "dure/model/families/keys.h"

#include <span>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/fields.h"
#include "dure/model/families/families.h"

namespace dure::model {
namespace {

std::vector<Choice<const Family*>> family_choices() {
  std::vector<Choice<const Family*>> choices;
  for (const Family* family : families()) {
    choices.push_back({family->name, family});
  }
  return choices;
}

std::vector<Choice<const nn::NormRow*>> norm_choices() {
  std::vector<Choice<const nn::NormRow*>> choices;
  for (const nn::NormRow* row : nn::norms()) {
    choices.push_back({row->name, row});
  }
  return choices;
}

constexpr Choice<NormBias> kNormBiases[] = {
    {"auto", NormBias::kAutomatic},
    {"yes", NormBias::kYes},
    {"no", NormBias::kNo},
};

constexpr Choice<Position> kPositions[] = {
    {"learned", Position::kLearned},
    {"rope", Position::kRope},
    {"alibi", Position::kAlibi},
    {"none", Position::kNone},
};

constexpr Choice<Activation> kActivations[] = {
    {"gelu", Activation::kGelu},
    {"swiglu", Activation::kSwiglu},
};

// The limits are larger than any model yet, and small enough that its bytes, at
// 16 a parameter, are a 64-bit number.
constexpr std::int64_t kMostLayers = 10'000;
constexpr std::int64_t kMostHidden = 1 << 18;
constexpr std::int64_t kMostFfnHidden = 1 << 22;
// Token ids have 32 bits, and so must the padded vocabulary.
constexpr std::int64_t kMostVocabulary = 1 << 30;
constexpr std::int64_t kMostSequence = 1 << 30;

void visit_size(Fields& fields, ModelConfig& c) {
  fields.whole("layers",
               c.layers,
               "Transformer blocks.",
               {.least = 1, .most = kMostLayers});
  fields.whole("hidden",
               c.hidden,
               "Width of the residual stream.",
               {.least = 1, .most = kMostHidden});
  fields.whole("heads",
               c.heads,
               "Attention heads; they share `hidden` evenly.",
               {.least = 1, .most = kMostHidden});
  fields.whole("kv_heads",
               c.kv_heads,
               "Key-value heads, each for as many heads; auto: as heads.",
               {.least = 1, .most = kMostHidden, .automatic = 0});
  fields.whole("ffn_hidden",
               c.ffn_hidden,
               "Width within the feed-forward network; auto: 4 hidden, with "
               "swiglu 8/3 hidden up to a multiple of 256.",
               {.least = 1, .most = kMostFfnHidden, .automatic = 0});
  fields.whole("vocabulary",
               c.vocabulary,
               "Token ids, before padding.",
               {.least = 1, .most = kMostVocabulary});
  fields.whole("max_sequence",
               c.max_sequence,
               "The longest sequence the model reads.",
               {.least = 1, .most = kMostSequence});
}

void visit_dropout(Fields& fields, DropoutRates& rates) {
  const Real share = {.most = 1, .high = End::kExcluded};
  fields.number("embedding_dropout",
                rates.embedding,
                "The share of the embedding's values dropped in training.",
                share);
  fields.number("attention_dropout",
                rates.attention,
                "The share of attention's weights dropped in training.",
                share);
  fields.number("hidden_dropout",
                rates.hidden,
                "The share of values dropped in training before each residual "
                "sum.",
                share);
  fields.for_all(
      "dropout",
      {"embedding_dropout", "attention_dropout", "hidden_dropout"},
      "Sets embedding_dropout, attention_dropout and hidden_dropout, "
      "where they are not given beside it.");
}

void check_divides(const char* whole_key,
                   std::int64_t whole,
                   const char* part_key,
                   std::int64_t part) {
  if (whole % part != 0) {
    throw UsageError("model.{}: wanted a multiple of model.{}, {}, got {}",
                     whole_key,
                     part_key,
                     part,
                     whole);
  }
}

}  // namespace

void visit(Fields& fields, ModelConfig& c) {
  fields.section("model", "What the model is; see also the presets below.");
  fields.text("preset", c.preset, "A published size to start from, or none.");
  const auto known = family_choices();
  fields.choice("family",
                c.family,
                "Sets norm, position, activation, bias and tie_embeddings, "
                "where they are not given.",
                std::span(known));
  visit_size(fields, c);
  const auto rows = norm_choices();
  fields.choice("norm", c.norm, "The normalisation.", std::span(rows));
  fields.choice("norm_bias",
                c.norm_bias,
                "Whether norms have biases; auto: layernorm has.",
                kNormBiases);
  fields.choice("position", c.position, "How positions enter.", kPositions);
  fields.whole("window",
               c.window,
               "How many tokens one sees, itself and those before it; 0: all.",
               {.most = kMostSequence});
  fields.choice("activation",
                c.activation,
                "Of the feed-forward network; gelu is its tanh form.",
                kActivations);
  fields.flag("bias", c.bias, "Whether linear layers have biases.");
  fields.flag("tie_embeddings",
              c.tie_embeddings,
              "Whether the head uses the token embedding's weights.");
  visit_dropout(fields, c.dropout);
  fields.number("norm_epsilon",
                c.norm_epsilon,
                "Added to the mean square in norms.",
                {.low = End::kExcluded});
  fields.number("rope_theta",
                c.rope_theta,
                "The base of the rotary frequencies.",
                {.low = End::kExcluded});
  fields.number("init_std",
                c.init_std,
                "Standard deviation of the first weights.",
                {.low = End::kExcluded});
}

void validate(const ModelConfig& config) {
  ModelConfig copy = config;
  Fields fields;
  visit(fields, copy);
  check(fields);
  check_divides("hidden", config.hidden, "heads", config.heads);
  check_divides("heads", config.heads, "kv_heads", config.kv_heads);
  if (config.norm_bias == NormBias::kYes && !config.norm->takes_bias) {
    throw UsageError(
        "model.norm_bias: \"{}\" has none: wanted \"no\" or "
        "\"auto\", got \"yes\"",
        config.norm->name);
  }
  if (config.position == Position::kRope && config.head_dim() % 2 != 0) {
    throw UsageError(
        "model.hidden: wanted an even number a head, as rope turns "
        "pairs, got {} ({} / {} heads)",
        config.head_dim(),
        config.hidden,
        config.heads);
  }
}

}  // namespace dure::model
