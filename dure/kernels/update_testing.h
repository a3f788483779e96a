// Helpers for the tests of optimizers' updates.
#pragma once

#include <vector>

#include "dure/kernels/target_testing.h"
#include "dure/kernels/testing.h"
#include "dure/kernels/update.h"

namespace dure::kernels {

// Three parameters of different sizes, the last without decay.
struct UpdateProblem {
  UpdateProblem() {
    for (const std::int64_t n : {5, 64, 70001}) {
      sizes.push_back(n);
      weights.push_back(random_values(n, "weight"));
      gradients.push_back(random_values(n, "gradient", 0.1));
      momenta.emplace_back(static_cast<std::size_t>(n));
      variances.emplace_back(static_cast<std::size_t>(n));
    }
  }

  // Spans in fp32: the master is the weight.
  std::vector<UpdateSpan> spans() {
    std::vector<UpdateSpan> spans;
    for (std::size_t s = 0; s < sizes.size(); ++s) {
      const Shape n = {sizes[s]};
      spans.push_back(
          {.master = tensor(weights[s], n),
           .weight = tensor(weights[s], n),
           .gradient = tensor(gradients[s], n),
           .states = {tensor(momenta[s], n), tensor(variances[s], n)},
           .weight_decay = decay(s),
           .row = static_cast<std::int32_t>(s)});
    }
    return spans;
  }
  static float decay(std::size_t span) { return span == 2 ? 0.0F : 0.1F; }

  std::vector<std::int64_t> sizes;
  std::vector<Values> weights, gradients, momenta, variances;
};

inline constexpr double kRate = 1e-2;
inline constexpr double kScale = 0.5;

// The control of an update that is made.
inline Values control_of(const Values& rates, double scale = kScale) {
  Values control = {1, static_cast<float>(scale), update_number(1)};
  control.insert(control.end(), rates.begin(), rates.end());
  return control;
}

inline ConstTensor tensor_of(const Values& control) {
  return tensor(control, {std::ssize(control)});
}

// Expects no change from launch_op: an update that is skipped changes nothing;
// one on the simulator touches nothing and takes time.
template <typename Launch>
void expect_nothing_changes(const Launch& launch_op) {
  UpdateProblem p;
  const UpdateProblem before = p;
  launch_op(p);
  EXPECT_EQ(p.weights, before.weights);
  EXPECT_EQ(p.momenta, before.momenta);
  EXPECT_EQ(p.variances, before.variances);
}

}  // namespace dure::kernels
