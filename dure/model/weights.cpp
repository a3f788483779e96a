#include "dure/model/weights.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "dure/base/check.h"
#include "dure/model/parts.h"
#include "dure/model/transformer_units.h"

namespace dure::model {
namespace {

using mesh::Dims;
using mesh::Placement;

constexpr const char* kTokenWeight = "embedding.token.weight";

// Goes through a model in the order of its forward pass.
class Table {
 public:
  Table(const ModelConfig& config, std::int64_t tensor, const Keeping& keeping)
      : c_(resolve(config)), tensor_(tensor), keeping_(keeping) {
    unit(embedding_unit());
    embeddings();
    for (block_ = 0; block_ < c_.layers; ++block_) {
      unit(block_unit(block_, keeping_));
      attention();
      mlp();
    }
    block_ = -1;
    unit(final_norm_unit());
    norm("final_norm");
    unit(head_unit(keeping_.logits));
    if (c_.tie_embeddings) {
      use(kTokenWeight);
    } else {
      by_vocabulary("head.weight", Part::kHead);
    }
  }

  std::vector<WeightSpec> weights() && { return std::move(weights_); }
  std::vector<UnitSpec> units() && { return std::move(units_); }

 private:
  // What is added from now on is this unit's.
  void unit(UnitSpec spec) { units_.push_back(std::move(spec)); }

  int this_unit() const { return static_cast<int>(units_.size()) - 1; }

  // A weight of a unit before.
  void use(const std::string& name) {
    const auto found = std::ranges::find(weights_, name, &WeightSpec::name);
    found->units.push_back(this_unit());
  }

  void embeddings() {
    by_vocabulary(kTokenWeight, Part::kEmbedding);
    if (has_position_table(c_)) {
      add({.name = "embedding.position.weight",
           .shape = {c_.max_sequence, c_.hidden},
           .init = normal(),
           .decay = Decay::kYes,
           .part = Part::kEmbedding});
    }
  }

  void attention() {
    const std::int64_t q = c_.heads * c_.head_dim();
    const std::int64_t kv = c_.kv_heads * c_.head_dim();
    norm("norm1");
    by_rows("attention.qkv",
            {q, kv, kv},
            Part::kAttention,
            {c_.heads, c_.kv_heads, c_.kv_heads});
    by_columns("attention.projection", q, Part::kAttention);
  }

  void mlp() {
    const std::int64_t f = c_.ffn_hidden;
    norm("norm2");
    if (c_.activation == Activation::kSwiglu) {
      by_rows("mlp.gate_up", {f, f}, Part::kMlp);
    } else {
      by_rows("mlp.up", {f}, Part::kMlp);
    }
    by_columns("mlp.down", f, Part::kMlp);
  }

  void norm(const std::string& name) {
    add({.name = name + ".weight",
         .shape = {c_.norm->gains(c_.hidden)},
         .init = {.value = c_.norm->first_gain(c_.hidden)},
         .part = Part::kNorm});
    if (c_.norm_bias == NormBias::kYes) {
      add({.name = name + ".bias", .shape = {c_.hidden}, .part = Part::kNorm});
    }
  }

  // (sum of sections, hidden), cut along its rows.
  void by_rows(const std::string& name,
               const Dims& sections,
               Part part,
               const Dims& most_parts = {}) {
    std::int64_t rows = 0;
    for (const std::int64_t section : sections) {
      rows += section;
    }
    const Placement cut = {{.dim = 0,
                            .sections = sections.size() > 1 ? sections : Dims{},
                            .most_parts = most_parts}};
    add({.name = name + ".weight",
         .shape = {rows, c_.hidden},
         .placement = cut,
         .init = normal(),
         .decay = Decay::kYes,
         .part = part});
    if (c_.bias) {
      add({.name = name + ".bias",
           .shape = {rows},
           .placement = cut,
           .part = part});
    }
  }

  // (hidden, columns), cut along its columns; it writes to the residual stream.
  void by_columns(const std::string& name, std::int64_t columns, Part part) {
    const double scale = std::sqrt(2.0 * static_cast<double>(c_.layers));
    add({.name = name + ".weight",
         .shape = {c_.hidden, columns},
         .placement = {{.dim = 1}},
         .init = {.kind = Init::Kind::kNormal, .std = c_.init_std / scale},
         .decay = Decay::kYes,
         .part = part});
    if (c_.bias) {
      add({.name = name + ".bias", .shape = {c_.hidden}, .part = part});
    }
  }

  void by_vocabulary(const std::string& name, Part part) {
    add({.name = name,
         .shape = {padded_vocabulary(c_.vocabulary, tensor_), c_.hidden},
         .logical = {c_.vocabulary, c_.hidden},
         .placement = {{.dim = 0}},
         .init = normal(),
         .decay = Decay::kYes,
         .part = part});
  }

  Init normal() const {
    return {.kind = Init::Kind::kNormal, .std = c_.init_std};
  }

  void add(WeightSpec spec) {
    if (block_ >= 0) {
      spec.name = "blocks." + std::to_string(block_) + "." + spec.name;
    }
    if (spec.logical.empty()) {
      spec.logical = spec.shape;
    }
    spec.block = block_;
    spec.units = {this_unit()};
    weights_.push_back(std::move(spec));
  }

  ModelConfig c_;
  std::int64_t tensor_;
  Keeping keeping_;
  std::int64_t block_ = -1;
  std::vector<UnitSpec> units_;
  std::vector<WeightSpec> weights_;
};

// Every tensor rank gets whole heads, as many as the others, and the key-value
// heads that they ask.
void check_heads(const ModelConfig& c, std::int64_t tensor) {
  DURE_CHECK(tensor >= 1 && c.heads % tensor == 0 &&
                 (c.kv_heads % tensor == 0 || tensor % c.kv_heads == 0),
             "heads are not cut: a tensor size of ",
             tensor,
             " does not divide model.heads, ",
             c.heads,
             ", or neither divides model.kv_heads, ",
             c.kv_heads,
             ", nor is a multiple of it");
}

}  // namespace

std::vector<WeightSpec> weights(const ModelConfig& config,
                                std::int64_t tensor) {
  check_heads(resolve(config), tensor);
  return Table(config, tensor, {}).weights();
}

std::vector<UnitSpec> units(const ModelConfig& config, const Keeping& keeping) {
  return Table(config, 1, keeping).units();
}

}  // namespace dure::model
