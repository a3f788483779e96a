// The simplest home of parameters: all values in one tensor and all gradients
// in another, always whole, with no communication.
#pragma once

#include "dure/nn/parameter.h"
#include "dure/tensor/arena.h"

namespace dure::data_parallel {

class FlatStorage final : public nn::ParameterStorage {
 public:
  // Points the parameters into its own memory, in their order. Each begins at a
  // multiple of 16 elements; the gaps are 0. Stream and parameters outlive
  // this.
  FlatStorage(Stream& stream, Arena& arena, nn::ParameterSet& parameters);

  void begin(int /*unit*/,
             nn::Access /*access*/,
             const nn::Context& /*ctx*/) override {}
  void end(int /*unit*/,
           nn::Access /*access*/,
           const nn::Context& /*ctx*/) override {}

  // The next gradients replace the last step's.
  void begin_step();

  Tensor values() const { return values_; }
  Tensor gradients() const { return gradients_; }

  // The elements of values(), and of gradients().
  static std::int64_t elements_of(const nn::ParameterSet& parameters);

 private:
  nn::ParameterSet& parameters_;
  OwnedTensor values_;
  OwnedTensor gradients_;
};

}  // namespace dure::data_parallel
