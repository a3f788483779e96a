// Parameters: a value, its gradient, a name, how it is cut and who uses it.
//
// A parameter does not own its memory. Where values and gradients live, and
// when they are there, is up to the ParameterHome: whole on every rank, or in
// parts that are brought together while a unit of the model needs them.
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
  Tensor value;     // this rank's part; its shape always, its elements while a
                    // unit that uses it runs
  Tensor gradient;  // likewise, while a unit writes it
  mesh::Placement placement;
  bool decays = false;     // under weight decay
  std::vector<int> units;  // of the model that use it here, ascending
  // Gradients are reduced in buckets; those of different groups are ready at
  // different times, and share none.
  int group = 0;
  // The first gradient of a step replaces the last step's, so that nothing
  // needs to be cleared; later ones are added.
  kernels::Write next_write = kernels::Write::kOverwrite;

  // How the gradient that is about to be computed goes in.
  kernels::Write take_write() {
    return std::exchange(next_write, kernels::Write::kAdd);
  }
};

// What a unit does with its parameters while it runs.
enum class Uses : std::uint8_t { kValues, kGradients, kBoth };

constexpr bool reads_values(Uses uses) {
  return uses != Uses::kGradients;
}
constexpr bool writes_gradients(Uses uses) {
  return uses != Uses::kValues;
}

// A unit begins, uses its parameters for a micro-batch, and ends.
struct Visit {
  int unit = 0;
  Uses uses = Uses::kValues;
  int micro_batch = 0;
  bool operator==(const Visit&) const = default;
};

// Where values and gradients are. Units are numbered in the order of the
// forward pass; a pass through a model tells each when it begins and when it
// ends, and of which micro-batch it is (Context::micro_batch).
class ParameterHome {
 public:
  ParameterHome() = default;
  ParameterHome(const ParameterHome&) = delete;
  ParameterHome& operator=(const ParameterHome&) = delete;
  virtual ~ParameterHome() = default;

  virtual void begin(int unit, Uses uses, const Context& ctx) = 0;
  virtual void end(int unit, Uses uses, const Context& ctx) = 0;
};

// Of what layers read, and of what they write.
struct ParameterTypes {
  DType value;
  DType gradient;
};

class ParameterSet {
 public:
  // Names, shapes, types and cuts; memory is its home's. Returned references
  // stay good. Shapes are this rank's.
  Parameter& add(std::string name,
                 const Shape& shape,
                 const ParameterTypes& types,
                 mesh::Placement placement,
                 bool decays,
                 std::vector<int> units);

  // `home` must outlive every pass.
  void set_home(ParameterHome& home) { home_ = &home; }

  // function(), with what the unit uses in place.
  template <typename Function>
  void in_unit(const Context& ctx,
               int unit,
               Uses uses,
               Function&& function) const {
    home_->begin(unit, uses, ctx);
    function();
    home_->end(unit, uses, ctx);
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
  ParameterHome* home_ = nullptr;
};

}  // namespace dure::nn
