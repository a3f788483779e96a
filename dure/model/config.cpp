#include "dure/model/config.h"

namespace dure::model {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Llama's gated network has three matrices where GPT has two: 8/3 hidden keeps
// the size (Touvron et al. 2023, arXiv:2302.13971, section 2.2).
std::int64_t default_ffn_hidden(const ModelConfig& config) {
  return config.activation == Activation::kSwiglu
             ? round_up((8 * config.hidden + 2) / 3, 256)
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
  return config;
}

}  // namespace dure::model
