// Hugging Face's config.json and our ModelConfig, each made from the other.
//
// Model types gpt2 and llama. A setting that would change what the model
// computes and that we don't have is an Error which names it; what only serves
// training or generation (dropout of single layers, token ids, caches) is left.
#pragma once

#include <string>
#include <string_view>

#include "dure/checkpoint/safetensors.h"
#include "dure/model/config.h"

namespace dure::checkpoint {

// `source` is what errors call the text.
model::ModelConfig config_from_huggingface(std::string_view json,
                                           const std::string& source);

// Error where Hugging Face's model of the family can't be so, such as GPT-2
// with grouped queries. `dtype` is what its torch_dtype will say.
std::string config_to_huggingface(const model::ModelConfig& config,
                                  FileDtype dtype);

}  // namespace dure::checkpoint
