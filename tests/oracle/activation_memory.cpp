#include "tests/oracle/activation_memory.h"

#include <algorithm>

#include "dure/base/arithmetic.h"

namespace dure::model {
namespace {

// The bytes that the arena takes for so many elements.
std::int64_t block_of_memory(std::int64_t elements, DType dtype) {
  constexpr std::int64_t kAlignment = 64;
  const std::int64_t bytes =
      elements * static_cast<std::int64_t>(size_of(dtype));
  return round_up(bytes, kAlignment);
}

std::int64_t stream_rows(const StepShape& step) {
  return step.cut == parallel::Rows::kCut ? step.rows / step.tensor : step.rows;
}

DType residual_type(const StepShape& step) {
  return step.residual.value_or(step.activations);
}

std::int64_t stream_bytes(const ModelConfig& config, const StepShape& step) {
  return block_of_memory(stream_rows(step) * config.hidden,
                         residual_type(step));
}

// The part of a stream that layers read, and the gradient of that.
std::int64_t layer_stream_bytes(const ModelConfig& config,
                                const StepShape& step) {
  return block_of_memory(stream_rows(step) * config.hidden, step.activations);
}

// The first rank's part, which is as large as any.
std::int64_t kept_stream_bytes(const ModelConfig& config,
                               const StepShape& step) {
  if (step.activation_policy.checkpoints == CheckpointedInputs::kWhole) {
    return stream_bytes(config, step);
  }
  const std::int64_t rows = (step.rows + step.tensor - 1) / step.tensor;
  return block_of_memory(rows * config.hidden, residual_type(step));
}

std::int64_t logits_bytes(const ModelConfig& config, const StepShape& step) {
  if (step.activation_policy.logits == Logits::kBlocks) {
    return 0;
  }
  const std::int64_t columns =
      padded_vocabulary(config.vocabulary, step.tensor) / step.tensor;
  return block_of_memory(step.rows * columns, step.activations);
}

std::int64_t statistics_bytes(const ModelConfig& config,
                              const StepShape& step) {
  return static_cast<std::int64_t>(config.norm->statistics) *
         block_of_memory(stream_rows(step), DType::kF32);
}

}  // namespace

BlockActivations block_activations(const ModelConfig& config,
                                   const StepShape& step) {
  const std::int64_t heads = config.heads / step.tensor;
  const std::int64_t kv_heads =
      std::max<std::int64_t>(config.kv_heads / step.tensor, 1);
  const std::int64_t ffn = config.ffn_hidden / step.tensor;
  const std::int64_t up =
      config.activation == Activation::kSwiglu ? 2 * ffn : ffn;
  const auto columns = [&](std::int64_t count) {
    return block_of_memory(step.rows * count, step.activations);
  };
  const std::int64_t stream = stream_bytes(config, step);
  return {.input = stream,
          .norms = 2 * layer_stream_bytes(config, step),
          .statistics = 2 * statistics_bytes(config, step),
          .qkv = columns((heads + 2 * kv_heads) * config.head_dim()),
          .attended = columns(heads * config.head_dim()),
          .log_sums = block_of_memory(step.rows * heads, DType::kF32),
          .mid = stream,
          .up = columns(up),
          .active = columns(ffn)};
}

std::int64_t kept_bytes(const ModelConfig& config, const StepShape& step) {
  const BlockActivations block = block_activations(config, step);
  switch (step.activation_policy.recompute) {
    case Recompute::kNone:
      return block.total();
    case Recompute::kSelective:
      return block.kept();
    case Recompute::kFull:
      break;
  }
  return kept_stream_bytes(config, step);
}

std::int64_t deferred_bytes(const ModelConfig& config, const StepShape& step) {
  return block_activations(config, step).deferred();
}

namespace {

// The micro-batch has ids, targets, positions and losses, and the index of the
// first sample.
std::int64_t micro_batch_bytes(const StepShape& step) {
  return 3 * block_of_memory(step.rows, DType::kI32) +
         block_of_memory(step.rows, DType::kF32) +
         block_of_memory(1, DType::kI64);
}

// A step has the derivative of what is minimised by a loss.
std::int64_t step_bytes() {
  return block_of_memory(1, DType::kF32);
}

// The bytes that the last block's backward, the first to run, adds to the
// memory of all blocks: the gradient of its output, and the tensors that it
// makes again. A block that gathers its input from parts has freed its own part
// and begun to gather the next one's.
std::int64_t running_bytes(const ModelConfig& config, const StepShape& step) {
  const std::int64_t gradient = stream_bytes(config, step);
  const BlockActivations block = block_activations(config, step);
  if (step.activation_policy.recompute == Recompute::kNone) {
    return gradient;
  }
  if (step.activation_policy.recompute == Recompute::kSelective) {
    return gradient + block.cheap();
  }
  const std::int64_t rest = block.total() - block.input;
  if (step.activation_policy.checkpoints == CheckpointedInputs::kWhole) {
    return gradient + rest;
  }
  const std::int64_t ahead = config.layers > 1 ? block.input : 0;
  return gradient + block.input + ahead - kept_bytes(config, step) + rest;
}

}  // namespace

ActivationSizes activation_sizes(const ModelConfig& config,
                                 const StepShape& step) {
  const std::int64_t stream = stream_bytes(config, step);
  return {.stream = stream,
          .statistics = statistics_bytes(config, step),
          .logits = logits_bytes(config, step),
          .step = step_bytes(),
          .micro_batch = micro_batch_bytes(step),
          .block = block_activations(config, step).total(),
          .kept = kept_bytes(config, step),
          .running = running_bytes(config, step) - stream};
}

std::int64_t peak_activation_bytes(const ModelConfig& config,
                                   const StepShape& step) {
  // The head has the blocks' output, its norm, and its gradient. Then the last
  // norm has its own gradient in place of its output, if their types differ.
  const std::int64_t stream = stream_bytes(config, step);
  const std::int64_t of_layers = layer_stream_bytes(config, step);
  const std::int64_t at_head =
      std::max(stream + 2 * of_layers + logits_bytes(config, step),
               residual_type(step) == step.activations
                   ? 0
                   : 2 * stream + of_layers) +
      statistics_bytes(config, step);
  return step_bytes() + micro_batch_bytes(step) +
         config.layers * kept_bytes(config, step) +
         std::max(at_head, running_bytes(config, step));
}

double published_block_bytes(const ModelConfig& config,
                             const StepShape& step,
                             std::int64_t sequence) {
  const auto t = static_cast<double>(step.tensor);
  const auto sbh = static_cast<double>(step.rows * config.hidden);
  const double scores = 5 * static_cast<double>(config.heads * sequence) /
                        static_cast<double>(config.hidden);
  return step.cut == parallel::Rows::kCut ? sbh / t * (34 + scores)
                                          : sbh * (10 + 24 / t + scores / t);
}

}  // namespace dure::model
