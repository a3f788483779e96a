#include "dure/model/presets.h"

#include <utility>

#include "dure/base/check.h"
#include "dure/base/nearest.h"

namespace dure::model {
namespace {

struct Size {
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t ffn_hidden = 0;
};

ModelConfig sized(ModelConfig config, const std::string& name, Size size) {
  config.preset = name;
  config.layers = size.layers;
  config.hidden = size.hidden;
  config.heads = size.heads;
  config.kv_heads = size.kv_heads;
  config.ffn_hidden = size.ffn_hidden;
  return resolve(std::move(config));
}

Preset gpt2(const std::string& name, Size size) {
  return {.config = sized(of_family(Family::kGpt), name, size),
          .remark = "GPT-2; dropout 0 where the original trained with 0.1"};
}

Preset gpt3(const std::string& name, Size size, const std::string& remark) {
  ModelConfig config = of_family(Family::kGpt);
  config.max_sequence = 2048;
  return {.config = sized(std::move(config), name, size),
          .remark = "GPT-3, with attention dense in every layer" + remark};
}

Preset llama2(const std::string& name, Size size) {
  ModelConfig config = of_family(Family::kLlama);
  config.vocabulary = 32000;
  config.max_sequence = 4096;
  return {.config = sized(std::move(config), name, size), .remark = "Llama 2"};
}

Preset llama3(const std::string& name, Size size, const std::string& remark) {
  ModelConfig config = of_family(Family::kLlama);
  config.vocabulary = 128256;
  config.max_sequence = 8192;
  config.rope_theta = 500000;
  return {.config = sized(std::move(config), name, size), .remark = remark};
}

}  // namespace

std::vector<Preset> presets() {
  return {
      gpt2("gpt2-124m", {.layers = 12, .hidden = 768, .heads = 12}),
      gpt2("gpt2-355m", {.layers = 24, .hidden = 1024, .heads = 16}),
      gpt2("gpt2-774m", {.layers = 36, .hidden = 1280, .heads = 20}),
      gpt2("gpt2-1558m", {.layers = 48, .hidden = 1600, .heads = 25}),
      gpt3("gpt3-125m", {.layers = 12, .hidden = 768, .heads = 12}, ""),
      gpt3("gpt3-350m", {.layers = 24, .hidden = 1024, .heads = 16}, ""),
      gpt3("gpt3-760m", {.layers = 24, .hidden = 1536, .heads = 16}, ""),
      gpt3("gpt3-1.3b",
           {.layers = 24, .hidden = 2048, .heads = 16},
           "; 16 heads of 128, as the table's 24 do not make 2048"),
      gpt3("gpt3-2.7b", {.layers = 32, .hidden = 2560, .heads = 32}, ""),
      gpt3("gpt3-6.7b", {.layers = 32, .hidden = 4096, .heads = 32}, ""),
      gpt3("gpt3-13b",
           {.layers = 40, .hidden = 5120, .heads = 40},
           "; hidden 5120 = 40 x 128, where the table has 5140"),
      gpt3("gpt3-175b", {.layers = 96, .hidden = 12288, .heads = 96}, ""),
      llama3("llama-1b",
             {.layers = 16,
              .hidden = 2048,
              .heads = 32,
              .kv_heads = 8,
              .ffn_hidden = 8192},
             "the size of Llama 3.2 1B; its head is tied, ours is not; its "
             "positions are scaled to 131072, ours stop at 8192"),
      llama2("llama2-7b",
             {.layers = 32, .hidden = 4096, .heads = 32, .ffn_hidden = 11008}),
      llama2("llama2-13b",
             {.layers = 40, .hidden = 5120, .heads = 40, .ffn_hidden = 13824}),
      llama2("llama2-70b",
             {.layers = 80,
              .hidden = 8192,
              .heads = 64,
              .kv_heads = 8,
              .ffn_hidden = 28672}),
      llama3("llama3-8b",
             {.layers = 32,
              .hidden = 4096,
              .heads = 32,
              .kv_heads = 8,
              .ffn_hidden = 14336},
             "Llama 3 8B"),
  };
}

ModelConfig preset(const std::string& name) {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) {
    if (preset.config.preset == name) {
      return preset.config;
    }
    names.push_back(preset.config.preset);
  }
  throw UsageError(concat(
      "model.preset: unknown preset \"", name, "\"", suggestion(name, names)));
}

ModelConfig of_family(Family family) {
  ModelConfig config;
  config.family = family;
  if (family == Family::kLlama) {
    config.norm = &nn::kRmsNorm;
    config.position = Position::kRope;
    config.activation = Activation::kSwiglu;
    config.bias = false;
    config.tie_embeddings = false;
  }
  return config;
}

}  // namespace dure::model
