// Values that follow from several keys together.
#include <algorithm>
#include <utility>

#include "dure/base/arithmetic.h"
#include "dure/base/check.h"
#include "dure/config/config.h"

namespace dure::train {
namespace {

// With ranked sums the rows of a tied embedding are added to the head's
// gradient of a micro-batch (parallel/data/tied.h), so the head can't come
// later.
model::Logits logits_of(const Config& config) {
  if (config.memory.logits == LogitsMemory::kBlocks) {
    return model::Logits::kBlocks;
  }
  const bool head_first = config.model.tie_embeddings &&
                          config.parallel.sums == comm::SumOrder::kRanked;
  return head_first ? model::Logits::kSaved : model::Logits::kDeferred;
}

}  // namespace

model::ActivationPolicy activation_policy(const Config& config) {
  const bool parts =
      config.memory.partition_checkpoints && !config.parallel.sequence;
  return {.recompute = config.memory.recompute,
          .checkpoints = parts ? model::CheckpointedInputs::kParts
                               : model::CheckpointedInputs::kWhole,
          .logits = logits_of(config)};
}

std::int64_t ranks_of(const ParallelConfig& parallel, mesh::AxisSet axes) {
  const std::pair<mesh::Axis, std::int64_t> sizes[] = {
      {mesh::Axis::kPipe, parallel.pipeline},
      {mesh::Axis::kData, parallel.data},
      {mesh::Axis::kContext, parallel.context},
      {mesh::Axis::kExpert, parallel.expert},
      {mesh::Axis::kTensor, parallel.tensor}};
  std::int64_t ranks = 1;
  for (const auto& [axis, size] : sizes) {
    if (axes.contains(axis)) {
      ranks = std::min<std::int64_t>(ranks * std::max<std::int64_t>(size, 1),
                                     mesh::kMostRanks + 1);
    }
  }
  return ranks;
}

std::int64_t ranks_of(const ParallelConfig& parallel) {
  return ranks_of(parallel, mesh::AxisSet{}.others());
}

mesh::Order order_of(const ParallelConfig& parallel) {
  try {
    return mesh::parse_order(parallel.order);
  } catch (const UsageError& error) {
    throw UsageError("parallel.order: {}", error.what());
  }
}

mesh::Mesh mesh_of(const ParallelConfig& parallel, int ranks) {
  const auto size = [](std::int64_t value) {
    return static_cast<int>(std::clamp<std::int64_t>(
        value, -1, mesh::kMostRanks + 1));  // others are refused as these are
  };
  const mesh::Mesh::Sizes sizes{.pipe = size(parallel.pipeline),
                                .data = size(parallel.data),
                                .context = size(parallel.context),
                                .expert = size(parallel.expert),
                                .tensor = size(parallel.tensor)};
  return mesh::Mesh(mesh::fit(sizes, ranks), order_of(parallel));
}

}  // namespace dure::train
