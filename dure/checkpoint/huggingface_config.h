// Hugging Face's config.json and our ModelConfig, each made from the other.
//
// Model types gpt2 and llama. Every key is either read, known to change nothing
// of what the model computes (huggingface_keys.cpp has the list), or an Error
// which names it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dure/checkpoint/safetensors.h"
#include "dure/model/config.h"

namespace dure::checkpoint {

// `source` is what errors call the text.
model::ModelConfig config_from_huggingface(std::string_view json,
                                           const std::string& source);

// The ids that begin and end a document, where there are such.
struct SpecialIds {
  std::optional<std::int32_t> beginning = {};
  std::optional<std::int32_t> end = {};
};

// Error where Hugging Face's model of the family can't be so, such as GPT-2
// with grouped queries. `dtype` is what its torch_dtype will say.
std::string config_to_huggingface(const model::ModelConfig& config,
                                  FileDtype dtype,
                                  const SpecialIds& ids = {});

// A sentence for each setting that the text made so can't say, though the model
// computes the same when it is used.
std::vector<std::string> huggingface_leaves_out(
    const model::ModelConfig& config);

}  // namespace dure::checkpoint
