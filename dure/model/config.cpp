#include "dure/model/config.h"

#include <fmt/core.h>

#include "dure/base/arithmetic.h"
#include "dure/base/check.h"

namespace dure::model {
namespace {

// Llama's gated network has three matrices where GPT has two: 8/3 hidden keeps
// the size (Touvron et al. 2023, arXiv:2302.13971, section 2.2).
std::int64_t default_ffn_hidden(const ModelConfig& config) {
  return config.activation == Activation::kSwiglu
             ? round_up((8 * config.hidden + 2) / 3, std::int64_t{256})
             : 4 * config.hidden;
}

}  // namespace

std::int64_t padded_vocabulary(std::int64_t vocabulary, std::int64_t tensor) {
  return round_up(vocabulary, 128 * tensor);
}

ModelConfig resolve(ModelConfig config) {
  if (config.kv_heads == 0) {
    config.kv_heads = config.heads;
  }
  if (config.ffn_hidden == 0) {
    config.ffn_hidden = default_ffn_hidden(config);
  }
  if (config.norm_bias == NormBias::kAutomatic) {
    config.norm_bias = config.norm->has_bias ? NormBias::kYes : NormBias::kNo;
  }
  return config;
}

namespace {

bool divides(const ModelConfig& config, std::int64_t tensor) {
  return config.heads % tensor == 0 && config.ffn_hidden % tensor == 0 &&
         (config.kv_heads % tensor == 0 || tensor % config.kv_heads == 0);
}

// "1, 2, 4": all valid sizes up to the number of heads.
std::string sizes_that_do(const ModelConfig& config) {
  std::string text = "1";
  for (std::int64_t tensor = 2; tensor <= config.heads; ++tensor) {
    if (divides(config, tensor)) {
      text += fmt::format(", {}", tensor);
    }
  }
  return text;
}

}  // namespace

void validate_tensor(const ModelConfig& config,
                     std::int64_t tensor,
                     const std::string& key) {
  const auto check = [&](bool good, const char* of_model, std::int64_t value) {
    if (!good) {
      throw UsageError(
          "{}: {} ranks can't share model.{}, {}, evenly; for this "
          "model these would do: {}",
          key,
          tensor,
          of_model,
          value,
          sizes_that_do(config));
    }
  };
  check(config.heads % tensor == 0, "heads", config.heads);
  check(config.kv_heads % tensor == 0 || tensor % config.kv_heads == 0,
        "kv_heads",
        config.kv_heads);
  check(config.ffn_hidden % tensor == 0, "ffn_hidden", config.ffn_hidden);
}

}  // namespace dure::model
