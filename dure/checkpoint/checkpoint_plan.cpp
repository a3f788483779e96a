#include <algorithm>
#include <utility>

#include "dure/base/check.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/model/weights.h"

namespace dure::checkpoint {
namespace {

void check_model(const CheckpointContent& content) {
  std::map<std::string_view, const TensorHeader*> given;
  for (const TensorHeader& tensor : content.model) {
    given.emplace(tensor.name, &tensor);
  }
  const auto specs = model::weights(content.manifest.model);
  for (const model::WeightSpec& spec : specs) {
    const auto found = given.find(spec.name);
    DURE_CHECK(found != given.end(), "no values for weight {}", spec.name);
    DURE_CHECK(found->second->shape == spec.logical,
               "weight {} has shape {}, wanted {}",
               spec.name,
               to_string(found->second->shape),
               to_string(spec.logical));
  }
  DURE_CHECK(given.size() == specs.size(),
             "got {} weights for a model of {}",
             given.size(),
             specs.size());
}

}  // namespace

CheckpointPlan plan_checkpoint(CheckpointContent content) {
  check_model(content);
  CheckpointPlan plan = {.manifest = std::move(content.manifest),
                         .files = {},
                         .documents = std::move(content.documents)};
  plan.manifest.model = model::resolve(plan.manifest.model);
  plan.manifest.files.clear();
  plan.files.push_back(
      {kModelFile, plan_safetensors(std::move(content.model), {})});
  if (!content.optimizer.empty()) {
    plan.files.push_back(
        {kOptimizerFile, plan_safetensors(std::move(content.optimizer), {})});
  }
  return plan;
}

std::vector<TensorPiece> pieces_of(const PlacedTensor& tensor) {
  // The sizes of elements are powers of 2, and so is kPieceBytes.
  std::vector<TensorPiece> pieces;
  for (std::uint64_t at = 0; at < tensor.bytes; at += kPieceBytes) {
    pieces.push_back(
        {tensor.header.name, at, std::min(kPieceBytes, tensor.bytes - at)});
  }
  return pieces;
}

std::vector<TensorPiece> pieces_of(const CheckpointPlan& plan) {
  std::vector<TensorPiece> all;
  for (const CheckpointPlan::File& file : plan.files) {
    for (const PlacedTensor& tensor : file.layout.tensors) {
      const auto pieces = pieces_of(tensor);
      all.insert(all.end(), pieces.begin(), pieces.end());
    }
  }
  return all;
}

}  // namespace dure::checkpoint
