// Helpers for the tests of matrix products: sizes, and a reference in double
// with a bound on the error.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fmt/core.h>
#include <limits>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "dure/kernels/matmul.h"
#include "dure/kernels/testing.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {

struct Size {
  std::int64_t M;
  std::int64_t N;
  std::int64_t K;
};

inline std::string describe(Size s) {
  return fmt::format("M {}, N {}, K {}", s.M, s.N, s.K);
}

// Sizes around every width of registers, panel and block that a kernel may
// have.
inline constexpr Size kSizes[] = {{1, 1, 1},
                                  {1, 17, 3},
                                  {5, 1, 33},
                                  {2, 50, 1},
                                  {3, 48, 129},
                                  {8, 64, 64},
                                  {13, 33, 65},
                                  {14, 32, 16},
                                  {29, 97, 40},
                                  {65, 130, 71},
                                  {130, 66, 400},
                                  {40, 300, 513},
                                  {257, 47, 30},
                                  {9, 50, 1600},
                                  {1100, 20, 9}};

// The size is so large that other threads are woken, and rows, columns and
// blocks of K are all divided.
inline constexpr Size kShared = {130, 130, 1600};

inline constexpr Transpose kBoth[] = {Transpose::kNo, Transpose::kYes};

inline Shape shape_of_a(Size s, Transpose transpose) {
  return transpose == Transpose::kYes ? Shape{s.K, s.M} : Shape{s.M, s.K};
}
inline Shape shape_of_b(Size s, Transpose transpose) {
  return transpose == Transpose::kYes ? Shape{s.N, s.K} : Shape{s.K, s.N};
}

// The elements of a tensor of f32, bf16 or f16.
inline Values values_of(const ConstTensor& x) {
  return with_float_type(x.dtype(), [&](auto element) {
    Values values;
    for (std::int64_t i = 0; x && i < x.elements(); ++i) {
      values.push_back(to_float(x.data<decltype(element)>()[i]));
    }
    return values;
  });
}

// One element in double, and the sum of the absolute values of its terms.
struct Element {
  double value = 0;
  double magnitude = 0;

  void add(double term) {
    value += term;
    magnitude += std::abs(term);
  }
};

// A sum of n rounded terms, in any order, has an error of at most n u / (1 - n
// u) times the sum of their absolute values [Higham 2002, eq. 4.4]; a product
// without FMA rounds once more. There are at most n = K + 3 terms. u = kUnit,
// but twice that where a GPU's tensor cores cut the sums of 16-bit operands'
// products, which are exact, instead of rounding them [Fasi, Higham, Mikaitis
// and Pranesh 2021, "Numerical behavior of NVIDIA tensor cores"].
inline double tolerance(const Element& element, std::int64_t K) {
  const double unit = tests_cuda() ? 2 * kUnit : kUnit;
  const double n = static_cast<double>(K + 4);
  return n * unit / (1 - n * unit) * element.magnitude;
}

// The numbers that a sum may be rounded to if it is in [least, most].
struct Bounds {
  double least = 0;
  double most = 0;
};

// Rounding is monotonic. A bound becomes one of f32 outwards, and then one of
// the type.
inline Bounds rounded(const Bounds& sum, DType dtype) {
  if (dtype == DType::kF32) {
    return sum;
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  return with_float_type(dtype, [&](auto element) -> Bounds {
    using Half = decltype(element);
    const float below =
        std::nextafter(static_cast<float>(sum.least), -kInfinity);
    const float above = std::nextafter(static_cast<float>(sum.most), kInfinity);
    return {to_float(from_float<Half>(below)),
            to_float(from_float<Half>(above))};
  });
}

class Reference {
 public:
  Reference(const MatMul& op, Values y_before)
      : op_(op),
        a_(values_of(op.a)),
        b_(values_of(op.b)),
        bias_(values_of(op.bias)),
        residual_(values_of(op.residual)),
        y_before_(std::move(y_before)) {}

  Element at(std::int64_t m, std::int64_t n) const {
    const std::int64_t M = op_.y.shape()[0];
    const std::int64_t N = op_.y.shape()[1];
    const bool ta = op_.transpose_a == Transpose::kYes;
    const bool tb = op_.transpose_b == Transpose::kYes;
    const auto at = static_cast<std::size_t>(m * N + n);
    Element element;
    for (std::int64_t k = 0; k < depth(); ++k) {
      const std::int64_t a = ta ? k * M + m : m * depth() + k;
      const std::int64_t b = tb ? n * depth() + k : k * N + n;
      element.add(double{a_[static_cast<std::size_t>(a)]} *
                  double{b_[static_cast<std::size_t>(b)]});
    }
    if (op_.write == Write::kAdd) {
      element.add(y_before_[at]);
    }
    if (op_.bias) {
      element.add(bias_[static_cast<std::size_t>(n)]);
    }
    if (op_.residual) {
      element.add(residual_[at]);
    }
    return element;
  }

  std::int64_t depth() const {
    return op_.a.shape()[op_.transpose_a == Transpose::kYes ? 0 : 1];
  }

 private:
  const MatMul& op_;
  Values a_, b_, bias_, residual_, y_before_;
};

// Holds y to sums within the tolerance, rounded once.
inline void expect_right(const MatMul& op, const Reference& reference) {
  const auto [M, N] = op.y.dims<2>("y");
  const Values y = values_of(op.y);
  for (std::int64_t m = 0; m < M; ++m) {
    for (std::int64_t n = 0; n < N; ++n) {
      const Element want = reference.at(m, n);
      // A sum of infinite terms is infinite or NaN, in any order.
      const double error =
          std::isfinite(want.value) ? tolerance(want, reference.depth()) : 0;
      const Bounds bounds =
          rounded({want.value - error, want.value + error}, op.y.dtype());
      const double got = y[static_cast<std::size_t>(m * N + n)];
      ASSERT_TRUE((bounds.least <= got && got <= bounds.most) ||
                  (std::isnan(want.value) && std::isnan(got)))
          << "at " << m << ", " << n << ": got " << got << ", wanted "
          << want.value << " +- " << error;
    }
  }
}

inline void expect_right(const MatMul& op, const Values& y_before) {
  expect_right(op, Reference(op, y_before));
}

}  // namespace dure::kernels
