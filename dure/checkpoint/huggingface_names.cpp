// The tables of names. '#' stands for the number of the block.
#include <algorithm>
#include <string_view>
#include <utility>

#include "dure/base/check.h"
#include "dure/checkpoint/huggingface.h"
#include "dure/model/weights.h"

namespace dure::checkpoint {
namespace {

using model::ModelConfig;

// How a weight of ours consists of theirs.
enum class Join : std::uint8_t {
  kOne,         // one tensor
  kTransposed,  // one, (in, out)
  kQkv,         // three, by rows: queries, keys, values
  kGateUp,      // two, by rows: gate, up
};

struct Row {
  std::string_view ours;
  Join join;
  std::string_view theirs[3];
};

constexpr Row kGpt2[] = {
    {"embedding.token.weight", Join::kOne, {"transformer.wte.weight"}},
    {"embedding.position.weight", Join::kOne, {"transformer.wpe.weight"}},
    {"blocks.#.norm1.weight", Join::kOne, {"transformer.h.#.ln_1.weight"}},
    {"blocks.#.norm1.bias", Join::kOne, {"transformer.h.#.ln_1.bias"}},
    {"blocks.#.attention.qkv.weight",
     Join::kTransposed,
     {"transformer.h.#.attn.c_attn.weight"}},
    {"blocks.#.attention.qkv.bias",
     Join::kOne,
     {"transformer.h.#.attn.c_attn.bias"}},
    {"blocks.#.attention.projection.weight",
     Join::kTransposed,
     {"transformer.h.#.attn.c_proj.weight"}},
    {"blocks.#.attention.projection.bias",
     Join::kOne,
     {"transformer.h.#.attn.c_proj.bias"}},
    {"blocks.#.norm2.weight", Join::kOne, {"transformer.h.#.ln_2.weight"}},
    {"blocks.#.norm2.bias", Join::kOne, {"transformer.h.#.ln_2.bias"}},
    {"blocks.#.mlp.up.weight",
     Join::kTransposed,
     {"transformer.h.#.mlp.c_fc.weight"}},
    {"blocks.#.mlp.up.bias", Join::kOne, {"transformer.h.#.mlp.c_fc.bias"}},
    {"blocks.#.mlp.down.weight",
     Join::kTransposed,
     {"transformer.h.#.mlp.c_proj.weight"}},
    {"blocks.#.mlp.down.bias", Join::kOne, {"transformer.h.#.mlp.c_proj.bias"}},
    {"final_norm.weight", Join::kOne, {"transformer.ln_f.weight"}},
    {"final_norm.bias", Join::kOne, {"transformer.ln_f.bias"}},
    {"head.weight", Join::kOne, {"lm_head.weight"}},
};

constexpr Row kLlama[] = {
    {"embedding.token.weight", Join::kOne, {"model.embed_tokens.weight"}},
    {"blocks.#.norm1.weight",
     Join::kOne,
     {"model.layers.#.input_layernorm.weight"}},
    {"blocks.#.attention.qkv.weight",
     Join::kQkv,
     {"model.layers.#.self_attn.q_proj.weight",
      "model.layers.#.self_attn.k_proj.weight",
      "model.layers.#.self_attn.v_proj.weight"}},
    {"blocks.#.attention.projection.weight",
     Join::kOne,
     {"model.layers.#.self_attn.o_proj.weight"}},
    {"blocks.#.norm2.weight",
     Join::kOne,
     {"model.layers.#.post_attention_layernorm.weight"}},
    {"blocks.#.mlp.gate_up.weight",
     Join::kGateUp,
     {"model.layers.#.mlp.gate_proj.weight",
      "model.layers.#.mlp.up_proj.weight"}},
    {"blocks.#.mlp.down.weight",
     Join::kOne,
     {"model.layers.#.mlp.down_proj.weight"}},
    {"final_norm.weight", Join::kOne, {"model.norm.weight"}},
    {"head.weight", Join::kOne, {"lm_head.weight"}},
};

std::span<const Row> table_of(const ModelConfig& config) {
  return config.family == model::Family::kGpt ? std::span<const Row>(kGpt2)
                                              : std::span<const Row>(kLlama);
}

// '#' replaced by the number.
std::string numbered(std::string_view pattern, std::int64_t block) {
  std::string name(pattern);
  const std::size_t at = name.find('#');
  return at == std::string::npos ? name
                                 : name.replace(at, 1, std::to_string(block));
}

const Row& row_for(const ModelConfig& config, const model::WeightSpec& spec) {
  for (const Row& row : table_of(config)) {
    if (numbered(row.ours, spec.block) == spec.name) {
      return row;
    }
  }
  DURE_CHECK(false,
             "Hugging Face's models have nothing like ",
             spec.name,
             "; only plain GPT-2 and Llama are converted");
  std::abort();  // not reached
}

// The rows of ours in each of theirs.
std::vector<std::int64_t> rows_of(const ModelConfig& config,
                                  Join join,
                                  const Dims& shape) {
  if (join == Join::kQkv) {
    const std::int64_t kv = config.kv_heads * config.head_dim();
    return {config.heads * config.head_dim(), kv, kv};
  }
  if (join == Join::kGateUp) {
    return {config.ffn_hidden, config.ffn_hidden};
  }
  return {shape.front()};
}

ForeignPart part_of(std::string name,
                    std::int64_t first_row,
                    std::int64_t rows,
                    const Row& row,
                    const Dims& ours) {
  ForeignPart part{.name = std::move(name),
                   .first_row = first_row,
                   .rows = rows,
                   .layout = row.join == Join::kTransposed ? Layout::kTransposed
                                                           : Layout::kSame,
                   .shape = ours};
  part.shape.front() = rows;
  if (part.layout == Layout::kTransposed) {
    std::reverse(part.shape.begin(), part.shape.end());
  }
  return part;
}

}  // namespace

std::vector<ForeignWeight> foreign_weights(const ModelConfig& given) {
  const ModelConfig config = model::resolve(given);
  std::vector<ForeignWeight> weights;
  for (const model::WeightSpec& spec : model::weights(config)) {
    const Row& row = row_for(config, spec);
    ForeignWeight weight{.name = spec.name, .shape = spec.logical, .parts = {}};
    std::int64_t first_row = 0;
    const std::string_view* theirs = row.theirs;
    for (const std::int64_t rows : rows_of(config, row.join, spec.logical)) {
      weight.parts.push_back(part_of(
          numbered(*theirs++, spec.block), first_row, rows, row, spec.logical));
      first_row += rows;
    }
    weights.push_back(std::move(weight));
  }
  return weights;
}

}  // namespace dure::checkpoint
