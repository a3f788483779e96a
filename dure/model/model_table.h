// A model's units and weights, which a family describes in the order of the
// forward pass (Family::describe).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "dure/model/activation_policy.h"
#include "dure/model/config.h"
#include "dure/model/unit.h"
#include "dure/model/weights.h"

namespace dure::model {

class ModelTable {
 public:
  // `config` is resolved; `tensor` ranks share each matrix.
  ModelTable(const ModelConfig& config,
             std::int64_t tensor,
             const ActivationPolicy& activation_policy)
      : c_(config), tensor_(tensor), activation_policy_(activation_policy) {}

  const ModelConfig& config() const { return c_; }
  const ActivationPolicy& activation_policy() const {
    return activation_policy_;
  }

  // Begins a unit, to which everything added from now on belongs. In the second
  // form the names of weights begin with "blocks.INDEX.".
  void unit(UnitSpec spec);
  void unit(std::int64_t block, UnitSpec spec);

  // Adds a weight; `name` and `shape` must be set.
  void add(WeightSpec spec);
  // Uses a weight of an earlier unit here as well.
  void use(const std::string& name);

  // Adds NAME.weight for the model's norm, and its bias.
  void add_norm(const std::string& name);
  // Adds NAME.weight, (sum of sections, hidden), cut along its rows, and its
  // bias. Each section has at most `most_parts` parts, if they are given.
  void add_by_rows(const std::string& name,
                   const mesh::Dims& sections,
                   WeightKind part,
                   const mesh::Dims& most_parts = {});
  // Adds NAME.weight, (hidden, columns), cut along its columns, and its bias.
  // It writes to the residual stream.
  void add_by_columns(const std::string& name,
                      std::int64_t columns,
                      WeightKind part);
  // Adds a weight (padded vocabulary, hidden), cut along its rows.
  void add_by_vocabulary(const std::string& name, WeightKind part);

  // The first values of a matrix.
  Init normal() const;

  std::vector<WeightSpec> weights() && { return std::move(weights_); }
  std::vector<UnitSpec> units() && { return std::move(units_); }

 private:
  void add_bias(const std::string& name,
                std::int64_t elements,
                const mesh::Placement& placement,
                WeightKind part);
  int this_unit() const { return static_cast<int>(units_.size()) - 1; }

  ModelConfig c_;
  std::int64_t tensor_;
  ActivationPolicy activation_policy_;
  std::int64_t block_ = -1;
  std::vector<UnitSpec> units_;
  std::vector<WeightSpec> weights_;
};

}  // namespace dure::model
