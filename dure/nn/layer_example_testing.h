// A layer with its operands in memory and on a tape, and its results beside
// those of its formula.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dure/kernels/matmul_testing.h"
#include "dure/nn/context.h"
#include "dure/nn/formulas_testing.h"
#include "dure/nn/parameter.h"
#include "dure/tensor/element_type.h"

namespace dure::nn {

// The types of the weights and activations, of the residual stream, and of the
// weights' gradients.
struct LayerTypes {
  const char* name = "";
  DType compute = DType::kF32;
  DType residual = DType::kF32;
  DType gradients = DType::kF32;
};

inline void write(const Tensor& x, const kernels::Values& values) {
  with_float_type(x.dtype(), [&](auto element) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      x.data<decltype(element)>()[i] = from_float<decltype(element)>(values[i]);
    }
  });
}

struct Operand {
  std::string name;
  OwnedTensor value;
  OwnedTensor gradient;    // the layer's, or, of an output, what it is given
  kernels::Values inputs;  // the numbers in `value`, or, of an output, those in
                           // `gradient`
  Matrix on_tape;
  Parameter parameter;
};

class LayerExample {
 public:
  LayerExample(Context& context, const LayerTypes& of)
      : ctx(context), types(of) {}

  // Random numbers, as the type holds them.
  Operand& input(const char* name, const Shape& shape, DType dtype) {
    return add(inputs_, name, shape, {dtype, dtype}, 1);
  }
  // Its numbers are such that a row's products are about 1, and biases less.
  Operand& weight(const char* name, const Shape& shape) {
    const auto size = static_cast<double>(shape[shape.rank() - 1]);
    Operand& operand = add(inputs_,
                           name,
                           shape,
                           {types.compute, types.gradients},
                           shape.rank() > 1 ? 1 / std::sqrt(size) : 0.5);
    operand.parameter.value = operand.value;
    operand.parameter.gradient = operand.gradient;
    return operand;
  }
  // A tensor that the layer makes, and the derivative of the objective by it.
  Operand& output(const char* name, const Shape& shape, DType dtype) {
    return add(outputs_, name, shape, {dtype, dtype}, 1);
  }

  // Runs the layer's forward and backward on the operands' memory. It may
  // change the gradients of outputs.
  std::function<void()> layer;
  // The outputs from the inputs, as the tape computes them.
  std::function<std::vector<Matrix>(Tape& tape)> formula;

  void run() {
    for (Operand& operand : inputs_) {
      operand.parameter.next_write = kernels::Write::kOverwrite;
    }
    for (Operand& operand : outputs_) {
      write(operand.gradient, operand.inputs);
    }
    layer();
  }

  // The formula's outputs, and the gradients of the objective by the inputs.
  struct Evaluation {
    std::vector<std::vector<Bounded>> outputs;
    std::vector<std::vector<Bounded>> gradients;
  };
  Evaluation evaluate(Bf16Bounds bf16 = Bf16Bounds::kOwn) {
    Tape tape(bf16);
    for (Operand& operand : inputs_) {
      put(tape, operand, kernels::doubles(operand.inputs));
    }
    const std::vector<Matrix> results = formula(tape);
    Evaluation all;
    for (std::size_t o = 0; o < results.size(); ++o) {
      std::vector<Bounded>& output = all.outputs.emplace_back();
      for (std::size_t i = 0; i < results[o].vars.size(); ++i) {
        output.push_back(tape.value(results[o].vars[i]));
        tape.seed(results[o].vars[i], double{outputs_[o].inputs[i]});
      }
    }
    tape.backward();
    for (const Operand& operand : inputs_) {
      std::vector<Bounded>& gradient = all.gradients.emplace_back();
      for (const Var var : operand.on_tape.vars) {
        gradient.push_back(tape.gradient(var));
      }
    }
    return all;
  }

  // The objective, sum of d_y y over the outputs, if an input has other
  // numbers.
  double objective(const Operand& changed, const kernels::Doubles& numbers) {
    Tape tape;
    for (Operand& operand : inputs_) {
      put(tape,
          operand,
          &operand == &changed ? numbers : kernels::doubles(operand.inputs));
    }
    const std::vector<Matrix> results = formula(tape);
    double objective = 0;
    for (std::size_t o = 0; o < results.size(); ++o) {
      for (std::size_t i = 0; i < results[o].vars.size(); ++i) {
        objective += tape.value(results[o].vars[i]).value *
                     double{outputs_[o].inputs[i]};
      }
    }
    return objective;
  }

  std::deque<Operand>& inputs() { return inputs_; }
  std::deque<Operand>& outputs() { return outputs_; }

  Context& ctx;
  const LayerTypes types;

 private:
  Operand& add(std::deque<Operand>& to,
               const char* name,
               const Shape& shape,
               std::pair<DType, DType> dtypes,
               double deviation) {
    Operand& operand = to.emplace_back();
    operand.name = name;
    operand.value = ctx.activation(shape, dtypes.first);
    operand.gradient = ctx.activation(shape, dtypes.second);
    write(operand.value,
          kernels::random_values(shape.elements(), name, deviation));
    operand.inputs = kernels::values_of(operand.value);
    return operand;
  }

  void put(Tape& tape, Operand& operand, const kernels::Doubles& numbers) {
    const Shape& shape = operand.value.shape();
    operand.on_tape = {shape[shape.rank() - 1], {}};
    for (const double number : numbers) {
      operand.on_tape.vars.push_back(
          tape.add({number, 0}, {}, operand.gradient.dtype()));
    }
  }

  std::deque<Operand> inputs_;
  std::deque<Operand> outputs_;
};

}  // namespace dure::nn
