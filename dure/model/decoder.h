// A decoder-only transformer: embedding, blocks, final norm, head. GPT and
// Llama are two settings of it.
#pragma once

#include <cstdint>
#include <string>

#include "dure/model/model_table.h"

namespace dure::model {

// Adds its units (transformer_units.h) and weights (weights.h).
void describe_decoder(ModelTable& table);

// The fields in which published sizes of one family differ.
struct DecoderSize {
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;    // 0: heads
  std::int64_t ffn_hidden = 0;  // 0: resolve() fills it in
};

// A resolved config of this size, as a preset of this name.
ModelConfig sized(ModelConfig config,
                  const std::string& name,
                  const DecoderSize& size);

}  // namespace dure::model
