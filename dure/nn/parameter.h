// Parameters: a value, its gradient, a name, its placement and its users.
//
// A parameter does not own its memory. The ParameterStorage decides where
// values and gradients live and when they are there: whole on every rank, or
// sharded and gathered while a unit of the model needs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dure/kernels/op.h"
#include "dure/mesh/placement.h"
#include "dure/nn/context.h"

namespace dure::nn {

struct Parameter {
  std::string name;
  Tensor value;     // this rank's part; its elements are there while a unit
                    // that uses it runs, its shape always
  Tensor gradient;  // has elements while a unit writes it
  mesh::Placement placement;
  bool decays = false;     // under weight decay
  std::vector<int> units;  // those of the model that use it here, ascending
  // Gradients are reduced in buckets. Parameters of different groups become
  // ready at different times and share no bucket.
  int group = 0;
  // The first gradient of a step overwrites the last step's, so nothing needs
  // to be cleared; later ones are added.
  kernels::Write next_write = kernels::Write::kOverwrite;

  // How to write the gradient that is about to be computed.
  kernels::Write take_write() {
    return std::exchange(next_write, kernels::Write::kAdd);
  }
};

// How a unit uses its parameters while it runs.
enum class Access : std::uint8_t { kParameters, kGradients, kBoth };

constexpr bool reads_parameters(Access access) {
  return access != Access::kGradients;
}
constexpr bool writes_gradients(Access access) {
  return access != Access::kParameters;
}

// A unit begins, uses its parameters for a micro-batch, and ends.
struct Visit {
  int unit = 0;
  Access access = Access::kParameters;
  int micro_batch = 0;
  bool operator==(const Visit&) const = default;
};

// Where values and gradients are. Units are numbered in the order of the
// forward pass. A pass through a model tells when each begins and ends, and for
// which micro-batch (Context::micro_batch).
class ParameterStorage {
 public:
  ParameterStorage() = default;
  ParameterStorage(const ParameterStorage&) = delete;
  ParameterStorage& operator=(const ParameterStorage&) = delete;
  virtual ~ParameterStorage() = default;

  virtual void begin(int unit, Access access, const Context& ctx) = 0;
  virtual void end(int unit, Access access, const Context& ctx) = 0;
};

// The type that layers read, and the type of gradients that they write.
struct ParameterTypes {
  DType value = DType::kF32;
  DType gradient = DType::kF32;
};

class ParameterSet {
 public:
  // Adds a parameter; its storage gives it memory. Shapes are this rank's.
  // Returned references stay valid.
  Parameter& add(std::string name,
                 const Shape& shape,
                 const ParameterTypes& types,
                 mesh::Placement placement,
                 bool decays,
                 std::vector<int> units);

  // `storage` must outlive every pass.
  void set_storage(ParameterStorage& storage) { storage_ = &storage; }

  // Calls function() while the unit's values and gradients are in place.
  template <typename Function>
  void in_unit(const Context& ctx,
               int unit,
               Access access,
               Function&& function) const {
    storage_->begin(unit, access, ctx);
    function();
    storage_->end(unit, access, ctx);
  }

  Parameter& operator[](std::string_view name);
  // By its place in all().
  Parameter& operator[](std::size_t weight) { return parameters_[weight]; }
  const Parameter& operator[](std::size_t weight) const {
    return parameters_[weight];
  }
  std::deque<Parameter>& all() { return parameters_; }
  const std::deque<Parameter>& all() const { return parameters_; }
  std::int64_t elements() const;

 private:
  std::deque<Parameter> parameters_;
  std::unordered_map<std::string_view, Parameter*> by_name_;
  ParameterStorage* storage_ = nullptr;
};

}  // namespace dure::nn
