#include "dure/model/gpt/gpt.h"

#include <utility>

#include "dure/model/decoder.h"

namespace dure::model {
namespace {

// The default model is a GPT already.
void begin(ModelConfig& /*config*/) {}

Preset gpt2(const std::string& name, const DecoderSize& size) {
  return {.config = sized(of_family(kGpt), name, size),
          .remark = "GPT-2; dropout 0 where the original trained with 0.1"};
}

Preset gpt3(const std::string& name,
            const DecoderSize& size,
            const std::string& remark) {
  ModelConfig config = of_family(kGpt);
  config.max_sequence = 2048;
  return {.config = sized(std::move(config), name, size),
          .remark = "GPT-3, with attention dense in every layer" + remark};
}

std::vector<Preset> presets_of_gpt() {
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
  };
}

}  // namespace

constinit const Family kGpt = {.name = "gpt",
                               .begin = begin,
                               .presets = presets_of_gpt,
                               .describe = describe_decoder,
                               .huggingface = &kHuggingFaceGpt2};

}  // namespace dure::model
