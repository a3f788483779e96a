// Formulas in double with their gradients, and with bounds on the errors of a
// layer that computes them in 16 bits.
//
// A formula is written once, as a forward, on the variables of a tape. Each
// variable knows its derivatives by those before it, so the tape gives the
// gradients, too. Beside each number stands a bound on how far the layer's may
// be from it ("running error analysis" [1, section 3.3]):
//
//   - An operation takes over the errors of its operands, times the absolute
//     values of its derivatives.
//   - An operation in f32 rounds by kF32; a sum of n terms, in any order, by n
//     times that of the sum of their absolute values [1, eq. 4.4].
//   - A layer that keeps a tensor in 16 bits rounds it once, and its gradient,
//     which it keeps in the same type, once (rounding()).
//
// So every bound comes from the types and the lengths of the sums.
//
// [1] Higham 2002, Accuracy and Stability of Numerical Algorithms.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "dure/kernels/testing.h"
#include "dure/tensor/dtype.h"

namespace dure::nn {

// One operation of a formula is up to four roundings of f32 in a kernel: a mean
// is a product with a rounded 1 / C, a factor is a rounded product of two.
inline constexpr double kF32 = 4 * kernels::kUnit;

// The largest error of rounding a number of f32 to the type: half a step, which
// is relative to the number, but not smaller than the least number is.
inline double rounding(double magnitude, DType dtype) {
  switch (dtype) {
    case DType::kBf16:
      return std::max(0x1p-8 * magnitude, 0x1p-134);
    case DType::kF16:
      return std::max(0x1p-11 * magnitude, 0x1p-25);
    default:
      return 0;
  }
}

// A number, and the largest error of what a layer has in its place.
struct Bounded {
  double value = 0;
  double error = 0;

  double magnitude() const { return std::abs(value) + error; }
};

inline Bounded operator-(Bounded a, Bounded b) {
  return {a.value - b.value, a.error + b.error};
}
inline Bounded operator*(Bounded a, Bounded b) {
  return {a.value * b.value,
          std::abs(a.value) * b.error + a.error * b.magnitude()};
}

// A sum in f32, in any order.
class BoundedSum {
 public:
  void add(Bounded term) {
    sum_.value += term.value;
    sum_.error += term.error;
    magnitude_ += term.magnitude();
    ++terms_;
  }
  Bounded get() const {
    return {sum_.value, sum_.error + terms_ * kF32 * magnitude_};
  }

 private:
  Bounded sum_;
  double magnitude_ = 0;
  int terms_ = 0;
};

// A variable of a tape.
struct Var {
  std::size_t place = 0;
};

// Whether numbers in bf16 get their own bounds, or, to see how wide those are,
// the bounds of numbers in fp16.
enum class Bf16Bounds : std::uint8_t { kOwn, kOfFp16 };

class Tape {
 public:
  explicit Tape(Bf16Bounds bf16 = Bf16Bounds::kOwn) : bf16_(bf16) {}

  // The derivative of a variable by one before it.
  struct Derivative {
    Var by;
    Bounded value;
  };

  // The gradient of the variable is kept in `gradient_type`.
  Var add(Bounded value,
          std::vector<Derivative> derivatives = {},
          DType gradient_type = DType::kF32) {
    nodes_.push_back({value, std::move(derivatives), gradient_type, {}, {}});
    return {nodes_.size() - 1};
  }

  // sum of the products + sum of the addends
  Var dot(const std::vector<std::pair<Var, Var>>& products,
          const std::vector<Var>& addends = {}) {
    BoundedSum sum;
    std::vector<Derivative> derivatives;
    for (const auto& [a, b] : products) {
      sum.add(value(a) * value(b));
      derivatives.push_back({a, value(b)});
      derivatives.push_back({b, value(a)});
    }
    for (const Var addend : addends) {
      sum.add(value(addend));
      derivatives.push_back({addend, {1, 0}});
    }
    return add(sum.get(), std::move(derivatives));
  }

  // The number as a tensor of the type holds it; kF32 rounds nothing more.
  Bounded rounded(Bounded x, DType dtype) const {
    if (dtype == DType::kBf16 && bf16_ == Bf16Bounds::kOfFp16) {
      dtype = DType::kF16;
    }
    return {x.value, x.error + rounding(x.magnitude(), dtype)};
  }

  // The variable as a tensor holds it, and its gradient.
  Var stored(Var x, DType dtype, DType gradient_type) {
    return add(rounded(value(x), dtype), {{x, {1, 0}}}, gradient_type);
  }

  Bounded value(Var x) const { return nodes_[x.place].value; }

  // Adds to the derivative of the objective by a variable, from outside.
  void seed(Var x, double derivative) {
    nodes_[x.place].sum.add({derivative, 0});
  }

  // Makes the gradients of the objective.
  void backward() {
    for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
      node->gradient = rounded(node->sum.get(), node->gradient_type);
      for (const Derivative& derivative : node->derivatives) {
        nodes_[derivative.by.place].sum.add(node->gradient * derivative.value);
      }
    }
  }
  Bounded gradient(Var x) const { return nodes_[x.place].gradient; }

 private:
  struct Node {
    Bounded value;
    std::vector<Derivative> derivatives;
    DType gradient_type;
    BoundedSum sum;
    Bounded gradient;
  };
  Bf16Bounds bf16_;
  std::vector<Node> nodes_;
};

}  // namespace dure::nn
