// A decoder-only transformer: embedding, blocks, final norm, head. GPT and
// Llama are two settings of it.
#pragma once

#include <cstdint>
#include <string>

#include "dure/model/model_table.h"

namespace dure::model {

// Its units (transformer_units.h) and weights (weights.h).
void describe_decoder(ModelTable& table);

// What published sizes of one family differ by.
struct DecoderSize {
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;    // 0: heads
  std::int64_t ffn_hidden = 0;  // 0: as resolve() fills it in
};

// The config of this size, a preset of this name, resolved.
ModelConfig sized(ModelConfig config,
                  const std::string& name,
                  const DecoderSize& size);

}  // namespace dure::model
