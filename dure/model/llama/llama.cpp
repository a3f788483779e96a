#include "dure/model/llama/llama.h"

#include <utility>

#include "dure/model/decoder.h"

namespace dure::model {
namespace {

void begin(ModelConfig& config) {
  config.norm = &nn::kRmsNorm;
  config.position = Position::kRope;
  config.activation = Activation::kSwiglu;
  config.bias = false;
  config.tie_embeddings = false;
}

Preset llama2(const std::string& name, const DecoderSize& size) {
  ModelConfig config = of_family(kLlama);
  config.vocabulary = 32000;
  config.max_sequence = 4096;
  return {.config = sized(std::move(config), name, size), .remark = "Llama 2"};
}

Preset llama3(const std::string& name,
              const DecoderSize& size,
              const std::string& remark) {
  ModelConfig config = of_family(kLlama);
  config.vocabulary = 128256;
  config.max_sequence = 8192;
  config.rope_theta = 500000;
  return {.config = sized(std::move(config), name, size), .remark = remark};
}

std::vector<Preset> presets_of_llama() {
  return {
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

}  // namespace

constinit const Family kLlama = {.name = "llama",
                                 .begin = begin,
                                 .presets = presets_of_llama,
                                 .describe = describe_decoder,
                                 .huggingface = &kHuggingFaceLlama};

}  // namespace dure::model
