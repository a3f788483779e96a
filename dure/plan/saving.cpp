#include "dure/plan/saving.h"

#include <algorithm>

#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/sharded/tensor_gatherer.h"

namespace dure::plan {
namespace {

std::size_t of(const MemoryPrediction& memory, Category category) {
  return memory.peak_bytes[static_cast<std::size_t>(category)];
}

// The bytes for saving: the first rank gets the other ranks' values and states
// in pieces. If matrices are cut, a piece has its own elements among theirs,
// which come packed. Ranks of other stages pack what they send.
std::size_t to_save(const train::Config& config,
                    std::span<const MemoryPrediction> stages,
                    std::size_t stage) {
  if (stage > 0) {
    return std::min<std::size_t>(checkpoint::kPieceBytes,
                                 of(stages[stage], Category::kOptimizer));
  }
  const std::int64_t shards = config.parallel.zero_group > 0
                                  ? config.parallel.zero_group
                                  : ranks_of(config.parallel, mesh::kReplicas);
  const std::int64_t tensor = config.parallel.tensor;
  std::size_t bytes = 0;
  const auto add = [&](Category category, int cut_from_stage) {
    const std::int64_t parts =
        tensor * (config.parallel.zero >= cut_from_stage ? shards : 1);
    const std::int64_t copies = tensor > 1 ? 2 * parts : parts;
    for (const MemoryPrediction& memory : stages) {
      bytes += static_cast<std::size_t>(copies) * of(memory, category);
    }
    bytes -= of(stages[0], category);  // its own
  };
  add(Category::kOptimizer, 1);
  add(Category::kParameters, 3);
  return std::min<std::size_t>(train::kGatherBytes, bytes);
}

}  // namespace

std::size_t peak_while_saving(const train::Config& config,
                              std::span<const MemoryPrediction> stages,
                              std::size_t stage) {
  return stages[stage].between_steps + to_save(config, stages, stage);
}

}  // namespace dure::plan
