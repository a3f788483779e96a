// GPT: GPT-2 [1] and GPT-3 [2, table 2.1].
//
// [1] Radford et al. 2019, "Language Models are Unsupervised Multitask
// Learners". [2] Brown et al. 2020, arXiv:2005.14165.
#pragma once

#include "dure/model/family.h"
#include "dure/model/huggingface/model.h"

namespace dure::model {

// config.h declares kGpt, the default model's family.
extern const HuggingFaceModel kHuggingFaceGpt2;

}  // namespace dure::model
