#include "dure/train/micro_batch.h"

#include <algorithm>

#include "dure/kernels/transfer.h"

namespace dure::train {

MicroBatch::MicroBatch(Rank& rank, std::int64_t samples, std::int64_t sequence)
    : rank_(rank),
      samples_(samples),
      sequence_(sequence),
      host_tokens_(static_cast<std::size_t>(samples * (sequence + 1))),
      host_ids_(static_cast<std::size_t>(samples * sequence)),
      host_targets_(host_ids_.size()),
      host_loss_(host_ids_.size()) {
  const auto tensor = [&](DType dtype) {
    return rank.arena.tensor({rows()}, Category::kActivations, dtype);
  };
  ids_ = tensor(DType::kI32);
  targets_ = tensor(DType::kI32);
  positions_ = tensor(DType::kI32);
  loss_ = tensor(DType::kF32);
  std::vector<std::int32_t> positions(host_ids_.size());
  for (std::size_t i = 0; i < positions.size(); ++i) {
    positions[i] =
        static_cast<std::int32_t>(static_cast<std::int64_t>(i) % sequence);
  }
  upload(positions_, positions);
  batch_ = {.ids = ids_,
            .targets = targets_,
            .positions = positions_,
            .samples = samples};
}

void MicroBatch::load(const data::Dataset& dataset, std::int64_t first) {
  const auto length = static_cast<std::size_t>(sequence_ + 1);
  for (std::int64_t b = 0; b < samples_; ++b) {
    dataset.sample(first + b,
                   std::span(host_tokens_)
                       .subspan(static_cast<std::size_t>(b) * length, length));
  }
  load(host_tokens_);
}

void MicroBatch::load(std::span<const std::int32_t> tokens) {
  const auto S = static_cast<std::size_t>(sequence_);
  for (std::size_t b = 0; b < static_cast<std::size_t>(samples_); ++b) {
    const auto sample = tokens.subspan(b * (S + 1), S + 1);
    std::copy_n(sample.begin(), S, host_ids_.begin() + b * S);
    std::copy_n(sample.begin() + 1, S, host_targets_.begin() + b * S);
  }
  upload(ids_, host_ids_);
  upload(targets_, host_targets_);
}

ExactSum MicroBatch::loss_sum() {
  launch(
      rank_.stream,
      kernels::Download{.host = std::as_writable_bytes(std::span(host_loss_)),
                        .x = loss_});
  rank_.stream.synchronize();
  ExactSum sum;
  for (const float loss : host_loss_) {
    sum.add(loss);
  }
  return sum;
}

void MicroBatch::upload(Tensor y, std::span<const std::int32_t> values) {
  launch(rank_.stream, kernels::Upload{.y = y, .host = std::as_bytes(values)});
}

}  // namespace dure::train
