// Compares an operation on bf16 and f16 with the same operation on f32.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/half.h"
#include "dure/kernels/target_testing.h"
#include "dure/kernels/testing.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {

// The type of an operand if the operation's elements have 16 bits.
enum class OperandType : std::uint8_t { kHalf, kF32 };

struct Operand {
  Values values;
  Shape shape;
  OperandType type = OperandType::kHalf;
};

inline Operand random_operand(const char* name,
                              const Shape& shape,
                              OperandType type = OperandType::kHalf) {
  return {random_values(shape.elements(), name), shape, type};
}

// An operand in memory of type Element, rounded to it.
template <typename Element>
class Rounded {
 public:
  explicit Rounded(const Operand& operand) : shape_(operand.shape) {
    for (const float value : operand.values) {
      elements_.push_back(from_float<Element>(value));
    }
  }

  Tensor tensor() { return Tensor(elements_.data(), shape_); }
  Values values() const {
    Values values;
    for (const Element element : elements_) {
      values.push_back(to_float(element));
    }
    return values;
  }

 private:
  Shape shape_;
  std::vector<Element> elements_;
};

// The operands after the operation that make(tensors) returns, with Element as
// the type of those of 16 bits.
template <typename Element, typename Make>
std::vector<Values> results_of(const std::vector<Operand>& operands,
                               const Make& make) {
  std::vector<Rounded<Element>> narrow(operands.begin(), operands.end());
  std::vector<Rounded<float>> wide(operands.begin(), operands.end());
  const auto is_narrow = [&](std::size_t i) {
    return operands[i].type == OperandType::kHalf;
  };
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    tensors.push_back(is_narrow(i) ? narrow[i].tensor() : wide[i].tensor());
  }
  launch_here(make(tensors));
  std::vector<Values> results;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    results.push_back(is_narrow(i) ? narrow[i].values() : wide[i].values());
  }
  return results;
}

// The types of weights' gradients beside 16-bit operands.
inline constexpr OperandType kSumTypes[] = {OperandType::kHalf,
                                            OperandType::kF32};

// The types of the residual stream beside 16-bit operands.
inline constexpr OperandType kResidualTypes[] = {OperandType::kHalf,
                                                 OperandType::kF32};

using Tensors = std::vector<Tensor>;

// The largest errors of rounding to Half: relative to a normal number, and half
// of the step between subnormal ones.
template <typename Half>
inline constexpr double kHalfUnit = dtype_of<Half>() == DType::kBf16 ? 0x1p-8
                                                                     : 0x1p-11;
template <typename Half>
inline constexpr double kHalfStep = dtype_of<Half>() == DType::kBf16 ? 0x1p-134
                                                                     : 0x1p-25;

// Holds results that were computed in f32, as those of expect_near in
// testing.h, and rounded to Half once.
template <typename Half>
void expect_near_rounded(const Values& actual,
                         const Doubles& expected,
                         double units) {
  double largest = 0;
  for (const double value : expected) {
    largest = std::max(largest, std::abs(value));
  }
  const double before = units * kUnit * largest;
  std::vector<Expected> wanted;
  for (const double value : expected) {
    const double rounding = kHalfUnit<Half> * (std::abs(value) + before);
    wanted.push_back({value, before + rounding + kHalfStep<Half>});
  }
  expect_near(actual, wanted);
}

// The operands with the values that they have in memory, of which those of 16
// bits are rounded.
template <typename Half>
std::vector<Operand> in_memory(std::vector<Operand> operands) {
  for (Operand& operand : operands) {
    if (operand.type == OperandType::kHalf) {
      operand.values = Rounded<Half>(operand).values();
    }
  }
  return operands;
}

// The unit roundoff of a 16-bit type, in those of f32: what one rounding of a
// result to the type adds to its error. bf16 has 8 significant bits and f16 11.
template <typename Half>
constexpr double units_of_rounding(OperandType type) {
  return type == OperandType::kHalf ? kHalfUnit<Half> / kUnit : 0;
}

template <typename Half, typename Make>
void expect_rounded_once(const std::vector<Operand>& unrounded,
                         const Make& make) {
  const std::vector<Operand> operands = in_memory<Half>(unrounded);
  const std::vector<Values> halves = results_of<Half>(operands, make);
  const std::vector<Values> floats = results_of<float>(operands, make);
  for (std::size_t i = 0; i < operands.size(); ++i) {
    Operand want = {.values = floats[i], .shape = operands[i].shape};
    if (operands[i].type == OperandType::kHalf) {
      want.values = Rounded<Half>(want).values();
    }
    ASSERT_EQ(halves[i], want.values) << "operand " << i;
  }
}

// Holds the operation of make(tensors), on either 16-bit type and every
// instruction set, to its result in f32 on the same numbers, rounded once. They
// are equal, because the arithmetic is the same.
template <typename Make>
void expect_halves_rounded_once(const std::vector<Operand>& operands,
                                const Make& make) {
  on_every_instruction_set([&] {
    SCOPED_TRACE("of bf16");
    expect_rounded_once<Bf16>(operands, make);
  });
  on_every_instruction_set([&] {
    SCOPED_TRACE("of f16");
    expect_rounded_once<F16>(operands, make);
  });
}

}  // namespace dure::kernels
