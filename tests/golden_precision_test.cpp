// Compares our GPT-2 and Llama in bf16 and fp16 with Transformers' in the same
// type: how far is each from the same model in fp64, whose weights are the
// 16-bit ones? tests/golden/README.md describes the files.
//
// An error is the root of the sum of squares over a tensor: single elements
// are off by chance, the many of a tensor are not. So a loss is compared row by
// row, too: the mean over rows may be right by luck, and its error is at most
// the root mean square of those of the rows.
#include <cmath>
#include <cstddef>
#include <fmt/core.h>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/golden_model.h"

namespace dure {
namespace {

// Our error may be this much larger than Transformers'.
constexpr double kMostRatio = 1.5;

struct Case {
  const char* name;
  const char* folder;
  model::Types types;
};

constexpr model::Types types_of(DType compute, DType gradients) {
  return {.compute = compute, .residual = compute, .gradients = gradients};
}
constexpr DType kBf16 = DType::kBf16;
constexpr DType kF16 = DType::kF16;
constexpr DType kF32 = DType::kF32;

// Transformers' gradients have the type of its weights. Ours are fp32 unless a
// run says otherwise.
const Case kCases[] = {
    {"Gpt2Bf16", "gpt2-bf16", types_of(kBf16, kF32)},
    {"Gpt2Fp16", "gpt2-f16-sharded", types_of(kF16, kF32)},
    {"LlamaBf16", "llama-bf16", types_of(kBf16, kF32)},
    {"LlamaFp16", "llama-f16-sharded", types_of(kF16, kF32)},
    {"Gpt2Bf16Gradients", "gpt2-bf16", types_of(kBf16, kBf16)},
    {"Gpt2Fp16Gradients", "gpt2-f16-sharded", types_of(kF16, kF16)},
    {"LlamaBf16Gradients", "llama-bf16", types_of(kBf16, kBf16)},
    {"LlamaFp16Gradients", "llama-f16-sharded", types_of(kF16, kF16)}};

// Sums of squared differences from fp64, as far as they have been added.
struct Errors {
  double ours = 0;
  double theirs = 0;

  void add(const Errors& more) {
    ours += more.ours;
    theirs += more.theirs;
  }
};

double squared_distance(const std::vector<float>& a,
                        const std::vector<float>& b,
                        double a_scale = 1) {
  double sum = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double difference = a[i] / a_scale - double{b[i]};
    sum += difference * difference;
  }
  return sum;
}

struct GoldenPrecision : testing::TestWithParam<Case>, GoldenModel {
  GoldenPrecision()
      : GoldenModel(Path("tests/golden") / GetParam().folder,
                    GetParam().types) {}

  std::vector<float> floats(const char* name) const {
    return checkpoint::to_floats(expected.at(name));
  }

  // Our error beside Transformers', which the file's tensors `name` and
  // transformers.`name` give.
  Errors errors(const std::string& name, const std::vector<float>& ours) const {
    const std::vector<float> want = floats(name.c_str());
    const std::vector<float> theirs = floats(("transformers." + name).c_str());
    EXPECT_EQ(ours.size(), want.size());
    EXPECT_EQ(theirs.size(), want.size());
    return {.ours = squared_distance(ours, want),
            .theirs = squared_distance(theirs, want)};
  }

  // The ratio is a property of the test in --gtest_output=xml.
  static void expect_as_near(const std::string& name, const Errors& errors) {
    ASSERT_GT(errors.theirs, 0) << name;
    const double ratio = std::sqrt(errors.ours / errors.theirs);
    RecordProperty(name, fmt::format("{:.3f}", ratio));
    EXPECT_LE(ratio, kMostRatio) << name;
  }
};

INSTANTIATE_TEST_SUITE_P(Models,
                         GoldenPrecision,
                         testing::ValuesIn(kCases),
                         [](const auto& of) { return of.param.name; });

TEST_P(GoldenPrecision, LogitsAreAsNearAsTransformers) {
  expect_as_near("logits", errors("logits", logits()));
}

TEST_P(GoldenPrecision, LossesAndGradientsAreAsNearAsTransformers) {
  // fp16 loses small gradients without a scale, which both sides have.
  const float scale = floats("loss_scale").at(0);
  expect_as_near("losses", errors("losses", make_gradients(scale)));
  const auto exact = gradients_of("gradients.safetensors");
  const auto transformers = gradients_of("transformers_gradients.safetensors");
  Errors all;
  for (const model::WeightSpec& spec : model::weights(rank_model.config())) {
    const std::vector<float> want = gradient_in(exact, spec);
    const Errors errors = {
        .ours = squared_distance(gradient(spec.name), want, scale),
        .theirs =
            squared_distance(gradient_in(transformers, spec), want, scale)};
    expect_as_near(spec.name, errors);
    all.add(errors);
  }
  expect_as_near("gradients", all);
}

}  // namespace
}  // namespace dure
