#include "dure/model/model_table.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "dure/base/check.h"

namespace dure::model {

void ModelTable::unit(UnitSpec spec) {
  unit(-1, std::move(spec));
}

void ModelTable::unit(std::int64_t block, UnitSpec spec) {
  block_ = block;
  units_.push_back(std::move(spec));
}

void ModelTable::add(WeightSpec spec) {
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

void ModelTable::use(const std::string& name) {
  const auto found = std::ranges::find(weights_, name, &WeightSpec::name);
  DURE_CHECK(found != weights_.end(), "no unit before has a weight {}", name);
  found->units.push_back(this_unit());
}

void ModelTable::add_norm(const std::string& name) {
  add({.name = name + ".weight",
       .shape = {c_.norm->gains(c_.hidden)},
       .init = {.value = c_.norm->first_gain(c_.hidden)},
       .part = WeightKind::kNorm});
  if (c_.norm_bias == NormBias::kYes) {
    add({.name = name + ".bias",
         .shape = {c_.hidden},
         .part = WeightKind::kNorm});
  }
}

void ModelTable::add_bias(const std::string& name,
                          std::int64_t elements,
                          const mesh::Placement& placement,
                          WeightKind part) {
  if (c_.bias) {
    add({.name = name + ".bias",
         .shape = {elements},
         .placement = placement,
         .part = part});
  }
}

void ModelTable::add_by_rows(const std::string& name,
                             const mesh::Dims& sections,
                             WeightKind part,
                             const mesh::Dims& most_parts) {
  const std::int64_t rows =
      std::accumulate(sections.begin(), sections.end(), std::int64_t{0});
  const mesh::Placement cut = {
      {.dim = 0,
       .sections = sections.size() > 1 ? sections : mesh::Dims{},
       .most_parts = most_parts}};
  add({.name = name + ".weight",
       .shape = {rows, c_.hidden},
       .placement = cut,
       .init = normal(),
       .decay = Decay::kYes,
       .part = part});
  add_bias(name, rows, cut, part);
}

void ModelTable::add_by_columns(const std::string& name,
                                std::int64_t columns,
                                WeightKind part) {
  const double scale = std::sqrt(2.0 * static_cast<double>(c_.layers));
  add({.name = name + ".weight",
       .shape = {c_.hidden, columns},
       .placement = {{.dim = 1}},
       .init = {.kind = Init::Kind::kNormal, .std = c_.init_std / scale},
       .decay = Decay::kYes,
       .part = part});
  add_bias(name, c_.hidden, {}, part);
}

void ModelTable::add_by_vocabulary(const std::string& name, WeightKind part) {
  add({.name = name,
       .shape = {padded_vocabulary(c_.vocabulary, tensor_), c_.hidden},
       .logical = {c_.vocabulary, c_.hidden},
       .placement = {{.dim = 0}},
       .init = normal(),
       .decay = Decay::kYes,
       .part = part});
}

Init ModelTable::normal() const {
  return {.kind = Init::Kind::kNormal, .std = c_.init_std};
}

}  // namespace dure::model
