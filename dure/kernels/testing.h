// Helpers for the tests of operations: random operands, tensors over vectors,
// comparison with a reference in double, finite differences, thread counts.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/random.h"
#include "dure/kernels/cuda_testing.h"
#include "dure/kernels/op.h"

namespace dure::kernels {

using Values = std::vector<float>;
using Doubles = std::vector<double>;

// The unit roundoff of f32: the largest relative error of a rounded result.
inline constexpr double kUnit = 0x1p-24;

// Standard normal, times `deviation`, plus `mean`. A name gives the same values
// each time.
inline Values random_values(std::int64_t count,
                            const char* name,
                            double deviation = 1,
                            double mean = 0) {
  const RandomStream stream(7, name);
  Values values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(mean + deviation * stream.normal(i));
  }
  return values;
}

inline Tensor tensor(Values& values, const Shape& shape) {
  EXPECT_EQ(static_cast<std::int64_t>(values.size()), shape.elements());
  return {values.data(), shape};
}
inline ConstTensor tensor(const Values& values, const Shape& shape) {
  EXPECT_EQ(static_cast<std::int64_t>(values.size()), shape.elements());
  return {values.data(), shape};
}

inline Doubles doubles(const Values& values) {
  return {values.begin(), values.end()};
}

// A result in double, and the largest error of f32.
struct Expected {
  double value = 0;
  double tolerance = 0;
};

inline void expect_near(const Values& actual,
                        const std::vector<Expected>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(double{actual[i]}, expected[i].value, expected[i].tolerance)
        << "at element " << i;
  }
}

// Access one tolerance for all: `units` unit roundoffs of the largest value.
inline void expect_near(const Values& actual,
                        const Doubles& expected,
                        double units) {
  ASSERT_EQ(actual.size(), expected.size());
  double largest = 0;
  for (const double value : expected) {
    largest = std::max(largest, std::abs(value));
  }
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(double{actual[i]}, expected[i], units * kUnit * largest)
        << "at element " << i;
  }
}

// sum_i a[i] b[i]: turns a layer's output into a number to differentiate.
inline double inner(const Doubles& a, const Doubles& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

// The gradient of f(x) by central differences. With steps of 1e-5 their error
// is some 1e-10 f''' from the series and 1e-11 f from rounding.
template <typename Function>
Doubles differences(Doubles x, const Function& f) {
  constexpr double kStep = 1e-5;
  Doubles gradient(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double at = x[i];
    x[i] = at + kStep;
    const double above = f(x);
    x[i] = at - kStep;
    gradient[i] = (above - f(x)) / (2 * kStep);
    x[i] = at;
  }
  return gradient;
}

// 1e-7 covers the error above for functions and derivatives up to 1000.
inline void expect_gradient(const Doubles& gradient,
                            const Doubles& differences) {
  ASSERT_EQ(gradient.size(), differences.size());
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    ASSERT_NEAR(gradient[i], differences[i], 1e-7) << "at element " << i;
  }
}

// Sets the number of threads of launch_here() while it lives.
class WithThreads {
 public:
  explicit WithThreads(int threads) { wanted() = threads; }
  WithThreads(const WithThreads&) = delete;
  WithThreads& operator=(const WithThreads&) = delete;
  ~WithThreads() { wanted() = 0; }

  static Stream stream() { return Stream(Device::kCpu, {.threads = wanted()}); }

 private:
  static int& wanted() {
    static int threads = 0;
    return threads;
  }
};

// Holds body(), which returns Values or a tuple of them, to the same bits on
// 1, 2 and 3 threads.
template <typename Body>
void expect_same_bits_on_any_threads(const Body& body) {
  const auto result_on = [&](int threads) {
    const WithThreads with(threads);
    return body();
  };
  const auto want = result_on(1);
  EXPECT_EQ(result_on(2), want);
  EXPECT_EQ(result_on(3), want);
}

// Launches on the device that the environment variable DURE_TEST_DEVICE names:
// cuda, or else the CPU. The operands are in the host's memory.
template <typename Op>
void launch_here(const Op& op) {
#ifdef DURE_WITH_CUDA
  if (tests_cuda()) {
    return launch_on_cuda(op);
  }
#endif
  Stream stream = WithThreads::stream();
  launch(stream, op);
}

// Launches on the simulator and checks that its clock moved.
template <typename Op>
void launch_on_simulator(const Op& op) {
  Stream stream(Device::kSim);
  launch(stream, op);
  EXPECT_GT(stream.seconds(), 0);
}

}  // namespace dure::kernels
