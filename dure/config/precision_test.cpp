#include "dure/config/precision.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/config/load_config.h"

namespace dure::train {
namespace {

using kernels::LossScaleKind;
using kernels::LossScaleRule;
using testing::HasSubstr;

PrecisionConfig precision_of(const std::vector<std::string>& sets) {
  return parse_config("", "test", sets).config.precision;
}

std::string error_of(const std::vector<std::string>& sets) {
  try {
    precision_of(sets);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(Precision, EachComputeTypeHasItsDefaults) {
  const PrecisionConfig fp32 = precision_of({});
  EXPECT_EQ(compute_type(fp32), DType::kF32);
  EXPECT_EQ(model_types(fp32).residual, DType::kF32);
  EXPECT_FALSE(has_masters(fp32));
  EXPECT_FALSE(scales_loss(fp32));
  EXPECT_EQ(loss_scale_rule(fp32), LossScaleRule());

  const PrecisionConfig bf16 = precision_of({"precision.compute=bf16"});
  EXPECT_EQ(compute_type(bf16), DType::kBf16);
  EXPECT_EQ(model_types(bf16).residual, DType::kBf16);
  EXPECT_EQ(model_types(bf16).gradients, DType::kF32);
  EXPECT_EQ(reduce_type(bf16), DType::kF32);
  EXPECT_EQ(master_type(bf16), DType::kF32);
  EXPECT_TRUE(has_masters(bf16));
  EXPECT_FALSE(scales_loss(bf16));

  const PrecisionConfig fp16 = precision_of({"precision.compute=fp16"});
  EXPECT_EQ(compute_type(fp16), DType::kF16);
  EXPECT_EQ(first_loss_scale(fp16), 0x1p32F);
  EXPECT_EQ(loss_scale_rule(fp16),
            (LossScaleRule{.kind = LossScaleKind::kMegatron,
                           .window = 1000,
                           .hysteresis = 2,
                           .minimum = 1}));
}

TEST(Precision, EachRuleOfTheLossScaleHasItsDefaults) {
  const PrecisionConfig torch =
      precision_of({"precision.compute=fp16", "precision.scale_rule=torch"});
  EXPECT_EQ(first_loss_scale(torch), 0x1p16F);
  EXPECT_EQ(loss_scale_rule(torch).window, 2000);
  EXPECT_EQ(loss_scale_rule(torch).hysteresis, 1);
  const PrecisionConfig own = precision_of({"precision.compute=fp16",
                                            "precision.scale_rule=deepspeed",
                                            "precision.initial_scale_power=8",
                                            "precision.hysteresis=4"});
  EXPECT_EQ(first_loss_scale(own), 256);
  EXPECT_EQ(loss_scale_rule(own).kind, LossScaleKind::kDeepSpeed);
  EXPECT_EQ(loss_scale_rule(own).hysteresis, 4);
}

TEST(Precision, AScaleMayBeFixed) {
  const PrecisionConfig fixed =
      precision_of({"precision.compute=fp16", "precision.loss_scale=1024"});
  EXPECT_EQ(first_loss_scale(fixed), 1024);
  EXPECT_EQ(loss_scale_rule(fixed).kind, LossScaleKind::kFixed);
}

// A saved scale counts while the scale is dynamic, within the keys of now.
TEST(Precision, AResumedRunHasTheScaleOfItsConfiguration) {
  const kernels::LossScaleState saved = {
      .scale = 0x1p20F, .good_steps = 7, .tracker = 4};
  const auto next = [&](const std::vector<std::string>& sets) {
    std::vector<std::string> all = sets;
    all.emplace_back("precision.compute=fp16");
    return next_loss_scale_state(precision_of(all), saved);
  };
  EXPECT_EQ(next({}).scale, 0x1p20F);
  EXPECT_EQ(next({}).good_steps, 7);
  EXPECT_EQ(next({}).tracker, 2);
  EXPECT_EQ(next({"precision.minimum_scale=2097152.0"}).scale, 0x1p21F);
  EXPECT_EQ(next({"precision.loss_scale=1024"}).scale, 1024);
  EXPECT_EQ(
      next_loss_scale_state(precision_of({"precision.compute=fp16"}), {}).scale,
      0x1p32F);
}

// A dynamic scale's keys would do nothing without one.
TEST(Precision, RefusesTheKeysOfAScaleWhereThereIsNone) {
  const std::pair<const char*, const char*> keys[] = {
      {"precision.scale_rule", "\"torch\""},
      {"precision.initial_scale_power", "8"},
      {"precision.scale_window", "1000"},
      {"precision.hysteresis", "3"},
      {"precision.minimum_scale", "2.0"}};
  for (const auto& [key, value] : keys) {
    SCOPED_TRACE(key);
    const std::string set = fmt::format("{}={}", key, value);
    const std::string said =
        fmt::format("{} = {}: wanted \"auto\"", key, value);
    for (const char* compute : {"fp32", "bf16"}) {
      EXPECT_THAT(
          error_of({fmt::format("precision.compute={}", compute), set}),
          testing::AllOf(
              HasSubstr(said),
              HasSubstr(
                  fmt::format("beside precision.compute = \"{}\"", compute)),
              HasSubstr("precision.compute = \"fp16\" with "
                        "precision.loss_scale = \"dynamic\" would take")));
    }
    EXPECT_THAT(
        error_of({"precision.compute=fp16", "precision.loss_scale=512", set}),
        testing::AllOf(
            HasSubstr(said),
            HasSubstr("beside precision.loss_scale = 512"),
            HasSubstr("; precision.loss_scale = \"dynamic\" would take")));
    EXPECT_EQ(error_of({"precision.compute=fp16", set}), "");
  }
}

std::string printed(const std::string& file,
                    const std::vector<std::string>& sets) {
  return to_toml(parse_config(file, "config.toml", sets));
}

// A run's config.toml loads to the same. Another type takes it once the scale's
// keys, which the error lists, are given back.
TEST(Precision, AResolvedConfigurationLoadsAgain) {
  for (const std::vector<std::string>& sets :
       std::vector<std::vector<std::string>>{
           {},
           {"precision.compute=bf16", "precision.master=none"},
           {"precision.compute=fp16"},
           {"precision.compute=fp16", "precision.scale_rule=torch"},
           {"precision.compute=fp16", "precision.loss_scale=512"}}) {
    const std::string file = printed("", sets);
    EXPECT_EQ(parse_config(file, "config.toml", {}).config.precision,
              precision_of(sets));
  }
  EXPECT_THAT(printed("", {"precision.compute=bf16"}),
              testing::AllOf(HasSubstr("\nscale_rule = \"auto\""),
                             HasSubstr("\nscale_window = \"auto\"")));
  const std::string fp16 = printed("", {"precision.compute=fp16"});
  EXPECT_THAT(fp16, HasSubstr("\nscale_rule = \"megatron\""));
  const auto in_bf16 = [&](std::vector<std::string> sets) {
    sets.emplace_back("precision.compute=bf16");
    return parse_config(fp16, "config.toml", sets).config.precision;
  };
  try {
    in_bf16({});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("; and \"auto\" instead of "
                          "precision.scale_rule = \"megatron\", "
                          "precision.initial_scale_power = 32, "
                          "precision.scale_window = 1000, "
                          "precision.hysteresis = 2, "
                          "precision.minimum_scale = 1.0"));
  }
  std::vector<std::string> back;
  for (const char* key : {"loss_scale",
                          "scale_rule",
                          "initial_scale_power",
                          "scale_window",
                          "hysteresis",
                          "minimum_scale"}) {
    back.push_back(fmt::format("precision.{}=auto", key));
  }
  EXPECT_EQ(in_bf16(back), precision_of({"precision.compute=bf16"}));
}

TEST(Precision, RefusesWhatContradictsItself) {
  EXPECT_THAT(
      error_of({"precision.compute=bf16", "precision.loss_scale=dynamic"}),
      HasSubstr("wanted 1 beside precision.compute = \"bf16\""));
  EXPECT_THAT(error_of({"precision.loss_scale=1024"}),
              HasSubstr("got 1024; \"fp16\" would take one"));
  EXPECT_THAT(error_of({"precision.compute=fp16", "precision.master=none"}),
              HasSubstr("precision.compute = \"bf16\" would do"));
  EXPECT_THAT(error_of({"precision.master=none"}),
              HasSubstr("fp32 weights are masters themselves"));
  EXPECT_THAT(error_of({"precision.compute=fp16",
                        "precision.initial_scale_power=4",
                        "precision.minimum_scale=32"}),
              HasSubstr("precision.initial_scale_power, 4, got 32"));
  EXPECT_THAT(error_of({"precision.compute=bf16", "precision.tf32=true"}),
              HasSubstr("precision.tf32: wanted false beside "
                        "precision.compute = \"bf16\", got true"));
  EXPECT_THAT(error_of({"precision.loss_scale=0"}),
              HasSubstr("or \"dynamic\", or \"auto\""));
  EXPECT_THAT(error_of({"precision.compute=fp16",
                        "parallel.schedule=pipedream",
                        "parallel.pipeline=2",
                        "optimizer.clip_gradient=0",
                        "model.tie_embeddings=false"}),
              HasSubstr("precision.loss_scale beside parallel.schedule"));
}

}  // namespace
}  // namespace dure::train
