#include "dure/model/decoder.h"

#include <utility>

#include "dure/model/layer_factories.h"
#include "dure/model/transformer_units.h"

namespace dure::model {
namespace {

constexpr const char* kTokenWeight = "embedding.token.weight";

void add_embeddings(ModelTable& table) {
  const ModelConfig& c = table.config();
  table.add_by_vocabulary(kTokenWeight, WeightKind::kEmbedding);
  if (has_position_table(c)) {
    table.add({.name = "embedding.position.weight",
               .shape = {c.max_sequence, c.hidden},
               .init = table.normal(),
               .decay = Decay::kYes,
               .part = WeightKind::kEmbedding});
  }
}

void add_attention(ModelTable& table) {
  const ModelConfig& c = table.config();
  const std::int64_t q = c.heads * c.head_dim();
  const std::int64_t kv = c.kv_heads * c.head_dim();
  table.add_norm("norm1");
  table.add_by_rows("attention.qkv",
                    {q, kv, kv},
                    WeightKind::kAttention,
                    {c.heads, c.kv_heads, c.kv_heads});
  table.add_by_columns("attention.projection", q, WeightKind::kAttention);
}

void add_mlp(ModelTable& table) {
  const ModelConfig& c = table.config();
  const std::int64_t f = c.ffn_hidden;
  table.add_norm("norm2");
  if (c.activation == Activation::kSwiglu) {
    table.add_by_rows("mlp.gate_up", {f, f}, WeightKind::kMlp);
  } else {
    table.add_by_rows("mlp.up", {f}, WeightKind::kMlp);
  }
  table.add_by_columns("mlp.down", f, WeightKind::kMlp);
}

void add_head(ModelTable& table) {
  if (table.config().tie_embeddings) {
    table.use(kTokenWeight);
  } else {
    table.add_by_vocabulary("head.weight", WeightKind::kHead);
  }
}

}  // namespace

void describe_decoder(ModelTable& table) {
  table.unit(embedding_unit());
  add_embeddings(table);
  for (std::int64_t block = 0; block < table.config().layers; ++block) {
    table.unit(block, block_unit(block, table.activation_policy()));
    add_attention(table);
    add_mlp(table);
  }
  table.unit(final_norm_unit());
  table.add_norm("final_norm");
  table.unit(head_unit(table.activation_policy().logits));
  add_head(table);
}

ModelConfig sized(ModelConfig config,
                  const std::string& name,
                  const DecoderSize& size) {
  config.preset = name;
  config.layers = size.layers;
  config.hidden = size.hidden;
  config.heads = size.heads;
  config.kv_heads = size.kv_heads;
  config.ffn_hidden = size.ffn_hidden;
  return resolve(std::move(config));
}

}  // namespace dure::model
