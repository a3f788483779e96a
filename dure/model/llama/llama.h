// Llama: Llama 2 [1] and Llama 3 [2].
//
// [1] Touvron et al. 2023, arXiv:2307.09288. [2] Grattafiori et al. 2024,
// arXiv:2407.21783.
#pragma once

#include "dure/model/family.h"
#include "dure/model/huggingface/model.h"

namespace dure::model {

extern const Family kLlama;
extern const HuggingFaceModel kHuggingFaceLlama;

}  // namespace dure::model
