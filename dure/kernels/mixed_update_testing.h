// Helpers for the tests of updates of 16-bit tensors.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dure/base/half.h"
#include "dure/kernels/update_testing.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {

// Values in memory of a type, rounded to it.
class Stored {
 public:
  Stored(const Values& values, DType dtype)
      : dtype_(dtype),
        count_(std::ssize(values)),
        memory_(values.size() * size_of(dtype)) {
    with_float_type(dtype, [&](auto element) {
      auto* const to = tensor().data<decltype(element)>();
      for (std::size_t i = 0; i < values.size(); ++i) {
        to[i] = from_float<decltype(element)>(values[i]);
      }
    });
  }

  DType dtype() const { return dtype_; }
  Tensor tensor() { return {memory_.data(), {count_}, dtype_}; }
  Values values() {
    Values values;
    with_float_type(dtype_, [&](auto element) {
      const auto* const from = tensor().data<decltype(element)>();
      for (std::int64_t i = 0; i < count_; ++i) {
        values.push_back(to_float(from[i]));
      }
    });
    return values;
  }

 private:
  DType dtype_;
  std::int64_t count_;
  std::vector<std::byte> memory_;
};

struct SpanTypes {
  DType master = DType::kF32;
  DType weight = DType::kF32;
  DType gradient = DType::kF32;
  DType state = DType::kF32;
};

inline std::string to_string(const SpanTypes& types) {
  return std::string(name_of(types.master)) + " " + name_of(types.weight) +
         " " + name_of(types.gradient) + " " + name_of(types.state);
}

// A span of these types. A weight is its own master if both have one type.
struct MixedSpan {
  MixedSpan(const SpanTypes& span_types, std::int64_t n)
      : types(span_types),
        master(random_values(n, "weight"), types.master),
        weight(Values(static_cast<std::size_t>(n)), types.weight),
        gradient(random_values(n, "gradient", 0.1), types.gradient),
        states(
            {Stored(random_values(n, "momentum", 0.1), types.state),
             Stored(squares(random_values(n, "variance", 0.1)), types.state)}) {
  }

  static Values squares(Values values) {
    for (float& value : values) {
      value *= value;
    }
    return values;
  }

  bool is_one() const { return types.master == types.weight; }
  Values weight_values() {
    return is_one() ? master.values() : weight.values();
  }

  UpdateSpan span() { return part(0, master.tensor().elements(), blocks); }

  // Elements [first, first + n), which are at these places.
  UpdateSpan part(std::int64_t first,
                  std::int64_t n,
                  const std::vector<ElementBlock>& places) {
    const auto cut = [&](Stored& stored) {
      return stored.tensor().rows(first, n);
    };
    return {.master = cut(master),
            .weight = is_one() ? cut(master) : cut(weight),
            .gradient = cut(gradient),
            .states = {cut(states[0]), cut(states[1])},
            .weight_decay = weight_decay,
            .rounding = StochasticRounding{stream, places}};
  }

  // Returns the same values, all in f32.
  MixedSpan in_f32() {
    MixedSpan f32 = *this;
    f32.types = {};
    for (Stored* stored : f32.tensors()) {
      *stored = Stored(stored->values(), DType::kF32);
    }
    return f32;
  }

  std::vector<Stored*> tensors() {
    return {&master, &weight, &gradient, &states[0], &states[1]};
  }

  std::vector<Values> all_values() {
    std::vector<Values> all;
    for (Stored* stored : tensors()) {
      all.push_back(stored->values());
    }
    return all;
  }

  // The n elements of a block as a span of their own, and back.
  MixedSpan taken(const ElementBlock& block, std::int64_t n) {
    MixedSpan local = *this;
    const std::vector<Stored*> to = local.tensors();
    for (std::size_t t = 0; t < to.size(); ++t) {
      const Values from = tensors()[t]->values();
      Values values;
      for (std::int64_t i = 0; i < n; ++i) {
        values.push_back(from[static_cast<std::size_t>(block.global(i))]);
      }
      *to[t] = Stored(values, to[t]->dtype());
    }
    return local;
  }
  void put(MixedSpan& local, const ElementBlock& block) {
    for (std::size_t t = 0; t < tensors().size(); ++t) {
      Stored& to = *tensors()[t];
      const Values from = local.tensors()[t]->values();
      Values values = to.values();
      for (std::size_t i = 0; i < from.size(); ++i) {
        values[static_cast<std::size_t>(
            block.global(static_cast<std::int64_t>(i)))] = from[i];
      }
      to = Stored(values, to.dtype());
    }
  }

  // The values as the master or a state of this span keeps them, by the
  // definition in update.h.
  Values rounded(Values values, int tensor, std::uint64_t update) const {
    const DType dtype = tensor == kRoundedMaster ? types.master : types.state;
    for (std::size_t i = 0; i < values.size() && dtype == DType::kBf16; ++i) {
      const auto global = static_cast<std::uint64_t>(
          run_at(blocks, static_cast<std::int64_t>(i)).global);
      values[i] = to_float(to_bf16_stochastic(
          values[i], stream.bits(global, rounding_major(update, tensor))));
    }
    return values;
  }

  SpanTypes types;
  Stored master, weight, gradient;
  std::array<Stored, kMostStates> states;
  float weight_decay = 0.1F;
  RandomStream stream = rounding_stream(7, "weight");
  std::vector<ElementBlock> blocks = {
      {.first = 1001, .columns = 300, .stride = 1000}};
};

}  // namespace dure::kernels
