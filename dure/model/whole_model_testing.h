// A model without a store, for tests.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <vector>

#include "dure/kernels/testing.h"
#include "dure/model/add_weights.h"
#include "dure/model/stack.h"
#include "dure/model/weights.h"

namespace dure::model {

// Weights stay where their parameters point.
class InPlace final : public nn::ParameterStorage {
 public:
  void begin(int, nn::Access, const nn::Context&) override {}
  void end(int, nn::Access, const nn::Context&) override {}
};

// A whole model on one tensor rank, with weights drawn by their names.
class WholeModel {
 public:
  WholeModel(nn::Context& ctx,
             const ModelConfig& config,
             const ActivationPolicy& activation_policy) {
    const auto place =
        mesh::Place().with(mesh::Axis::kTensor, ctx.tensor.part());
    const std::vector<UnitSpec> specs = units(config, activation_policy);
    const UnitRange all = {0, static_cast<int>(specs.size())};
    add_weights(config, parameters_, place, {&all, 1});
    parameters_.set_storage(home_);
    for (const nn::Parameter& parameter : parameters_.all()) {
      const Shape& shape = parameter.value.shape();
      values_.push_back(room(ctx, shape));
      gradients_.push_back(room(ctx, shape));
      const kernels::Values values =
          kernels::random_values(shape.elements(), parameter.name.c_str(), 0.2);
      std::copy(values.begin(), values.end(), values_.back().data<float>());
    }
    attach();
    stack_.emplace(specs,
                   all,
                   UnitParts{.config = config,
                             .seed = 1234,
                             .parameters = parameters_,
                             .place = place});
  }

  const Stack& stack() const { return *stack_; }

  // Calls function(tensor) with all weights and gradients, which it may move.
  template <typename Function>
  void move(Function&& function) {
    for (std::deque<OwnedTensor>* const tensors : {&values_, &gradients_}) {
      for (OwnedTensor& tensor : *tensors) {
        function(tensor);
      }
    }
    attach();
  }

  void add_gradients(std::vector<kernels::Values>& to) const {
    for (const OwnedTensor& gradient : gradients_) {
      const float* const first = gradient.data<float>();
      to.emplace_back(first, first + gradient.elements());
    }
  }

 private:
  static OwnedTensor room(nn::Context& ctx, const Shape& shape) {
    return ctx.arena.tensor(shape, Category::kParameters, DType::kF32);
  }
  void attach() {
    for (std::size_t p = 0; p < values_.size(); ++p) {
      parameters_[p].value = values_[p];
      parameters_[p].gradient = gradients_[p];
    }
  }

  nn::ParameterSet parameters_;
  InPlace home_;
  std::deque<OwnedTensor> values_;
  std::deque<OwnedTensor> gradients_;
  std::optional<Stack> stack_;
};

}  // namespace dure::model
