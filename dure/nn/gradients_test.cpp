// Checks the outputs and gradients of every layer in every type against its
// formula in double (formulas_testing.h), within the bounds that follow from
// the type and the sums (error_bounds_testing.h).
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "dure/nn/layer_examples_testing.h"
#include "dure/nn/rank_testing.h"

namespace dure::nn {
namespace {

using kernels::Values;

constexpr DType kBf16 = DType::kBf16;
constexpr DType kF16 = DType::kF16;
constexpr DType kWide = DType::kF32;
constexpr LayerTypes kFp32 = {"Fp32", kWide, kWide, kWide};
constexpr LayerTypes kAllBf16 = {"Bf16Gradients", kBf16, kBf16, kBf16};
const LayerTypes kTypes[] = {
    kFp32,
    {"Bf16", kBf16, kBf16, kWide},
    {"Bf16WideResidual", kBf16, kWide, kWide},
    kAllBf16,
    {"Fp16", kF16, kF16, kWide},
    {"Fp16WideResidual", kF16, kWide, kWide},
    {"Fp16Gradients", kF16, kF16, kF16},
};

// How often a result is further from its formula than the bound, and the worst
// share of a bound.
struct Comparison {
  std::size_t beyond = 0;
  double worst = 0;
  std::size_t worst_element = 0;
};

Comparison compare(const Values& actual, const std::vector<Bounded>& want) {
  Comparison result;
  EXPECT_EQ(actual.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double off = std::abs(actual[i] - want[i].value);
    result.beyond += off <= want[i].error ? 0 : 1;  // NaN is beyond
    const double share = off == 0 ? 0 : off / want[i].error;
    if (!(share <= result.worst)) {
      result.worst = share;
      result.worst_element = i;
    }
  }
  return result;
}

void expect_within(const std::string& what,
                   const Tensor& actual,
                   const std::vector<Bounded>& want) {
  const Comparison result = compare(kernels::values_of(actual), want);
  EXPECT_EQ(result.beyond, 0U)
      << what << ": element " << result.worst_element << " is off by "
      << result.worst << " times its bound";
}

class LayerGradients
    : public testing::TestWithParam<std::tuple<LayerRow, LayerTypes>> {
 protected:
  static void on_example(const std::function<void(LayerExample&)>& body) {
    on_ranks(1, Rows::kWhole, [&](Context& ctx) {
      const auto& [layer, types] = GetParam();
      LayerExample example(ctx, types);
      layer.make(example);
      body(example);
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Types,
                         LayerGradients,
                         testing::Combine(testing::ValuesIn(layer_rows()),
                                          testing::ValuesIn(kTypes)),
                         [](const auto& of) {
                           return std::string(std::get<0>(of.param).name) +
                                  std::get<1>(of.param).name;
                         });

TEST_P(LayerGradients, AndOutputsAreWithinTheBoundsOfTheirRoundings) {
  on_example([](LayerExample& e) {
    const auto [outputs, gradients] = e.evaluate();
    e.run();
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const Operand& operand = e.inputs()[i];
      expect_within("d_" + operand.name, operand.gradient, gradients[i]);
    }
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      const Operand& operand = e.outputs()[o];
      expect_within(operand.name, operand.value, outputs[o]);
    }
  });
}

// The bounds are narrow enough to find a wrong sign of the largest element, and
// a row that is missing.
TEST_P(LayerGradients, WithASignOrARowWrongAreBeyondTheBounds) {
  on_example([](LayerExample& e) {
    const auto gradients = e.evaluate().gradients;
    for (Operand& output : e.outputs()) {
      const auto rows =
          static_cast<std::ptrdiff_t>(output.inputs.size()) / kLayerRows;
      std::fill(output.inputs.end() - rows, output.inputs.end(), 0.0F);
    }
    e.run();
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const Operand& operand = e.inputs()[i];
      EXPECT_GT(
          compare(kernels::values_of(operand.gradient), gradients[i]).beyond,
          0U)
          << operand.name;
      const auto largest = std::ranges::max_element(
          gradients[i], {}, [](const Bounded& x) { return std::abs(x.value); });
      // The other sign is at least 2 |value| - error away.
      EXPECT_GT(std::abs(largest->value), largest->error) << operand.name;
    }
  });
}

class EveryLayer : public testing::TestWithParam<LayerRow> {};
INSTANTIATE_TEST_SUITE_P(Layers,
                         EveryLayer,
                         testing::ValuesIn(layer_rows()),
                         [](const auto& of) { return of.param.name; });

TEST_P(EveryLayer, HasAFormulaWithTheGradientsOfItsDifferences) {
  on_ranks(1, Rows::kWhole, [](Context& ctx) {
    LayerExample e(ctx, kFp32);
    GetParam().make(e);
    const auto gradients = e.evaluate().gradients;
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const Operand& operand = e.inputs()[i];
      SCOPED_TRACE(operand.name);
      kernels::Doubles gradient;
      for (const Bounded& element : gradients[i]) {
        gradient.push_back(element.value);
      }
      kernels::expect_gradient(
          gradient,
          kernels::differences(kernels::doubles(operand.inputs),
                               [&](const kernels::Doubles& numbers) {
                                 return e.objective(operand, numbers);
                               }));
    }
  });
}

// So narrow are the bounds that a layer in bf16 is beyond those of fp16, which
// has three bits more.
TEST_P(EveryLayer, InBf16IsBeyondTheBoundsOfFp16) {
  on_ranks(1, Rows::kWhole, [](Context& ctx) {
    LayerExample e(ctx, kAllBf16);
    GetParam().make(e);
    const auto [outputs, gradients] = e.evaluate(Bf16Bounds::kOfFp16);
    e.run();
    std::size_t beyond = 0;
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const Tensor& gradient = e.inputs()[i].gradient;
      beyond += compare(kernels::values_of(gradient), gradients[i]).beyond;
    }
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      const Tensor& output = e.outputs()[o].value;
      beyond += compare(kernels::values_of(output), outputs[o]).beyond;
    }
    EXPECT_GT(beyond, 0U);
  });
}

}  // namespace
}  // namespace dure::nn
