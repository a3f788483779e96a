#include "dure/train/micro_batch.h"

#include <algorithm>

#include "dure/base/check.h"
#include "dure/kernels/transfer.h"

namespace dure::train {
namespace {

template <typename T>
void upload(Rank& rank, Tensor y, std::span<const T> values) {
  launch(rank.stream, kernels::Upload{.y = y, .host = std::as_bytes(values)});
}

}  // namespace

OwnedTensor scalar(Rank& rank, float value) {
  OwnedTensor tensor =
      rank.arena.tensor({1}, Category::kActivations, DType::kF32);
  upload<float>(rank, tensor, {&value, 1});
  return tensor;
}

MicroBatch::MicroBatch(Rank& rank, std::int64_t samples, std::int64_t sequence)
    : rank_(rank),
      samples_(samples),
      sequence_(sequence),
      host_tokens_(static_cast<std::size_t>(samples * (sequence + 1))),
      host_ids_(static_cast<std::size_t>(samples * sequence)),
      host_targets_(host_ids_.size()) {
  const int context = rank.mesh().size(mesh::Axis::kContext);
  DURE_CHECK(
      context == 1,
      "a micro-batch is of whole sequences: wanted 1 context rank, got {}",
      context);
  const auto tensor = [&](DType dtype) {
    return rank.arena.tensor({rows()}, Category::kActivations, dtype);
  };
  ids_ = tensor(DType::kI32);
  targets_ = tensor(DType::kI32);
  positions_ = tensor(DType::kI32);
  first_sample_ = rank.arena.tensor({1}, Category::kActivations, DType::kI64);
  loss_ = tensor(DType::kF32);
  std::vector<std::int32_t> positions(host_ids_.size());
  for (std::size_t i = 0; i < positions.size(); ++i) {
    positions[i] =
        static_cast<std::int32_t>(static_cast<std::int64_t>(i) % sequence);
  }
  upload<std::int32_t>(rank, positions_, positions);
  place(0);
  batch_ = {.ids = ids_,
            .targets = targets_,
            .sequences = {.samples = samples,
                          .positions = positions_,
                          .first_sample = first_sample_},
            .loss = loss_};
}

void MicroBatch::load(const data::Dataset& dataset, std::int64_t first) {
  const auto length = static_cast<std::size_t>(sequence_ + 1);
  for (std::int64_t b = 0; b < samples_; ++b) {
    dataset.sample(first + b,
                   std::span(host_tokens_)
                       .subspan(static_cast<std::size_t>(b) * length, length));
  }
  load(host_tokens_);
  place(first);
}

void MicroBatch::place(std::int64_t first) {
  host_first_sample_ = first;
  upload<std::int64_t>(rank_, first_sample_, {&host_first_sample_, 1});
}

void MicroBatch::load(std::span<const std::int32_t> tokens) {
  const auto S = static_cast<std::size_t>(sequence_);
  for (std::size_t b = 0; b < static_cast<std::size_t>(samples_); ++b) {
    const auto sample = tokens.subspan(b * (S + 1), S + 1);
    std::copy_n(sample.begin(), S, host_ids_.begin() + b * S);
    std::copy_n(sample.begin() + 1, S, host_targets_.begin() + b * S);
  }
  upload<std::int32_t>(rank_, ids_, host_ids_);
  upload<std::int32_t>(rank_, targets_, host_targets_);
}

}  // namespace dure::train
