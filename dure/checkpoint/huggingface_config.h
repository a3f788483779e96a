// Conversion between Hugging Face's config.json and our ModelConfig.
//
// Handles the model types gpt2 and llama. Every key is either read, known to
// change nothing of what the model computes (model/huggingface/keys.cpp has the
// list), or an Error that names it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dure/checkpoint/safetensors.h"
#include "dure/model/config.h"

namespace dure::checkpoint {

// Errors call the text `source`.
model::ModelConfig config_from_huggingface(std::string_view json,
                                           const std::string& source);

// The ids that begin and end a document, if there are any.
struct SpecialIds {
  std::optional<std::int32_t> beginning = {};
  std::optional<std::int32_t> end = {};
};

// Throws Error if Hugging Face's model of the family can't be so, such as GPT-2
// with grouped queries. `dtype` becomes its torch_dtype.
std::string config_to_huggingface(const model::ModelConfig& config,
                                  FileDtype dtype,
                                  const SpecialIds& ids = {});

// A sentence for each setting that this text can't express, although the model
// can compute the same with it.
std::vector<std::string> huggingface_leaves_out(
    const model::ModelConfig& config);

}  // namespace dure::checkpoint
