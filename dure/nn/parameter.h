// Parameters: a value, its gradient, a name and how it is cut; and all those of
// a rank, in two flat buffers.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "dure/kernels/op.h"
#include "dure/mesh/sharding.h"
#include "dure/nn/context.h"

namespace dure::nn {

struct Parameter {
  std::string name;
  Tensor value;     // this rank's part
  Tensor gradient;  // as value
  std::optional<mesh::Sharding> sharding;
  bool decays = false;  // under weight decay
  // The first gradient of a step replaces the last step's, so that nothing
  // needs to be cleared; later ones are added.
  kernels::Write next_write = kernels::Write::kOverwrite;

  // How the gradient that is about to be computed goes in.
  kernels::Write take_write() {
    return std::exchange(next_write, kernels::Write::kAdd);
  }
};

class ParameterSet {
 public:
  // Names, shapes and cuts first; memory for all of them at `allocate`.
  // Returned references stay good. Shapes are this rank's.
  Parameter& add(std::string name,
                 const Shape& shape,
                 std::optional<mesh::Sharding> sharding,
                 bool decays);

  // Values are uninitialised. Evaluation needs no gradients.
  void allocate_values(Arena& arena);
  void allocate_gradients(Arena& arena);

  // Before a step's first backward.
  void begin_step();

  // Clears the gradients that no backward has written: of a weight that took
  // no part in the step.
  void finish_gradients(Stream& stream);

  Parameter& operator[](std::string_view name);
  std::deque<Parameter>& all() { return parameters_; }
  const std::deque<Parameter>& all() const { return parameters_; }
  std::int64_t elements() const;

 private:
  OwnedTensor allocate_flat(Arena& arena,
                            Category category,
                            Tensor Parameter::*member);

  std::deque<Parameter> parameters_;
  OwnedTensor values_;     // all values, one after another
  OwnedTensor gradients_;  // likewise, in the same places
};

}  // namespace dure::nn
