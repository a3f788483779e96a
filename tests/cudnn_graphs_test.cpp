// cuDNN knows the attention of every model that the repository names, on each
// device that tests/devices describes. No GPU is needed.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/files.h"
#include "dure/base/json.h"
#include "dure/config/load_config.h"
#include "dure/kernels/cuda/cudnn_graph.h"
#include "dure/kernels/heads.h"
#include "dure/model/families/families.h"
#include "dure/model/layer_factories.h"

namespace dure {
namespace {

using kernels::AttentionPass;
using kernels::AttentionProblem;
using kernels::DescribedDevice;
using kernels::HeadSteps;

struct Device {
  std::string name;
  DescribedDevice described;
};

std::vector<Device> devices() {
  std::vector<Device> all;
  for (const auto& file :
       std::filesystem::directory_iterator("tests/devices")) {
    const std::string text = read_regular_file(file.path());
    const nlohmann::json object = parse_object(text, file.path().string());
    const JsonFields fields(object, file.path().string());
    all.push_back({.name = fields.text("deviceName"),
                   .described = {.compute_capability = static_cast<int>(
                                     fields.positive("deviceVer") / 10),
                                 .properties = text}});
  }
  return all;
}

struct NamedModel {
  std::string name;
  model::ModelConfig config;
};

// The presets, and the models of the examples' configurations.
std::vector<NamedModel> models() {
  std::vector<NamedModel> all;
  for (const model::Preset& preset : model::presets()) {
    all.push_back({preset.config.preset, model::resolve(preset.config)});
  }
  for (const auto& file :
       std::filesystem::recursive_directory_iterator("examples")) {
    const std::string path = file.path().string();
    if (file.path().extension() == ".toml") {
      const std::string text = read_regular_file(path);
      all.push_back({path, train::parse_config(text, path, {}).config.model});
    }
  }
  return all;
}

// A row of the fused product, or of y.
HeadSteps steps_of(const kernels::FusedHeads& heads,
                   std::int64_t rows,
                   std::int64_t columns) {
  return {.sample = rows * columns, .head = heads.head_dim, .row = columns};
}

struct ProblemSizes {
  kernels::FusedHeads heads;
  std::int64_t sequence = 0;
};

AttentionProblem problem_of(const ProblemSizes& sizes,
                            const kernels::AttentionPattern& pattern,
                            AttentionPass pass,
                            DType dtype) {
  const kernels::FusedHeads& heads = sizes.heads;
  const HeadSteps fused = steps_of(heads, sizes.sequence, heads.columns());
  return {.pass = pass,
          .dtype = dtype,
          .samples = heads.samples,
          .queries = sizes.sequence,
          .keys = sizes.sequence,
          .heads = heads.heads,
          .kv_heads = heads.kv_heads,
          .head_dim = heads.head_dim,
          .q = fused,
          .k = fused,
          .v = fused,
          .y = steps_of(heads, sizes.sequence, heads.heads * heads.head_dim),
          .d_q = fused,
          .d_k = fused,
          .d_v = fused,
          .order = pattern.order,
          .window = pattern.window == kernels::kNoWindow ? 0 : pattern.window,
          .scale = 0.125F};
}

// The attention of one of so many tensor ranks.
ProblemSizes sizes_of(const model::ModelConfig& config,
                      std::int64_t samples,
                      std::int64_t tensor) {
  return {
      .heads = {.samples = samples,
                .heads = config.heads / tensor,
                .kv_heads = std::max<std::int64_t>(config.kv_heads / tensor, 1),
                .head_dim = config.head_dim()},
      .sequence = config.max_sequence};
}

// Calls body for both passes of both types.
template <typename Body>
void for_each_kind(const Body& body) {
  for (const AttentionPass pass :
       {AttentionPass::kForward, AttentionPass::kBackward}) {
    for (const DType dtype : {DType::kBf16, DType::kF16}) {
      body(pass, dtype);
    }
  }
}

void expect_known(const Device& device, const NamedModel& model) {
  const kernels::AttentionPattern pattern =
      model::attention_pattern(model.config);
  for (const std::int64_t samples : {1, 4}) {
    for (const std::int64_t tensor : {1, 2, 4, 8}) {
      if (model.config.heads % tensor != 0) {
        continue;
      }
      const ProblemSizes sizes = sizes_of(model.config, samples, tensor);
      for_each_kind([&](AttentionPass pass, DType dtype) {
        EXPECT_EQ(
            refusal(problem_of(sizes, pattern, pass, dtype), device.described),
            "")
            << model.name << " on " << device.name << ", tensor " << tensor
            << ", samples " << samples;
      });
    }
  }
}

TEST(CudnnGraphs, OfEveryModelAreKnown) {
  const std::vector<NamedModel> all = models();
  ASSERT_GT(all.size(), model::presets().size());
  for (const Device& device : devices()) {
    for (const NamedModel& model : all) {
      expect_known(device, model);
    }
  }
}

ProblemSizes small_heads(std::int64_t head_dim = 64) {
  return {
      .heads = {.samples = 2, .heads = 8, .kv_heads = 2, .head_dim = head_dim},
      .sequence = 512};
}

TEST(CudnnGraphs, OfEveryOrderAreKnown) {
  for (const Device& device : devices()) {
    for_each_kind([&](AttentionPass pass, DType dtype) {
      for (const kernels::AttentionPattern& pattern :
           {kernels::AttentionPattern{.order = kernels::AttentionOrder::kFull},
            kernels::AttentionPattern{.window = 100}}) {
        EXPECT_EQ(refusal(problem_of(small_heads(), pattern, pass, dtype),
                          device.described),
                  "")
            << device.name << ", window " << pattern.window;
      }
    });
  }
}

// So the check finds what cuDNN does not know.
TEST(CudnnGraphs, OfWhatNoDeviceKnowsAreRefused) {
  for (const Device& device : devices()) {
    for (const AttentionPass pass :
         {AttentionPass::kForward, AttentionPass::kBackward}) {
      const auto of = [&](const ProblemSizes& sizes) {
        return problem_of(sizes, {}, pass, DType::kBf16);
      };
      EXPECT_EQ(refusal(of(small_heads()), device.described), "");
      EXPECT_NE(refusal(of(small_heads(999)), device.described), "");
      AttentionProblem uneven = of(small_heads());
      uneven.heads = 7;  // 2 key heads cannot share them
      EXPECT_NE(refusal(uneven, device.described), "");
    }
  }
}

TEST(CudnnGraphs, NeedCudnnsOwnDescriptionOfADevice) {
  const DescribedDevice wrong = {.compute_capability = 90,
                                 .properties = "an H200"};
  EXPECT_THROW(
      refusal(
          problem_of(small_heads(), {}, AttentionPass::kForward, DType::kBf16),
          wrong),
      Error);
}

}  // namespace
}  // namespace dure
