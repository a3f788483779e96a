#include "dure/infer/decode_stages.h"

#include <utility>

#include "dure/base/check.h"
#include "dure/kernels/transfer.h"
#include "dure/model/config.h"

namespace dure::train {
namespace {

// The positions of row b count from lengths[b] on.
Tokens positions_of(const DecodeMicroBatch& micro_batch) {
  const std::int64_t T = std::ssize(micro_batch.ids) / micro_batch.count();
  Tokens positions;
  positions.reserve(micro_batch.ids.size());
  for (const std::int32_t length : micro_batch.lengths) {
    for (std::int64_t t = 0; t < T; ++t) {
      positions.push_back(length + static_cast<std::int32_t>(t));
    }
  }
  return positions;
}

nn::Context context_of(Rank& rank) {
  nn::Context ctx = rank.context();
  ctx.phase = nn::Phase::kEvaluate;
  ctx.tensor.rows = parallel::Rows::kWhole;  // T tokens need not divide
  return ctx;
}

}  // namespace

DecodeStages::DecodeStages(Rank& rank,
                           const RankModel& rank_model,
                           KvCache cache,
                           Sizes sizes)
    : rank_(rank),
      rank_model_(rank_model),
      cache_(cache),
      ctx_(context_of(rank)) {
  DURE_CHECK(rank_model.chunks().size() == 1,
             "wanted one stretch of the model a rank, got {}",
             rank_model.chunks().size());
  if (cache == KvCache::kOn) {
    memory_ = rank.arena.tensor(
        {stack().cache_elements(sizes.texts, sizes.positions)},
        Category::kActivations,
        rank_model.types().compute);
    kept_ = stack().make_cache(memory_, sizes.texts, sizes.positions);
  }
  logits_ =
      ctx_.workspace({sizes.texts,
                      model::padded_vocabulary(rank_model.config().vocabulary,
                                               rank.tensor().part().count)},
                     DType::kF32);
}

std::int64_t DecodeStages::rows(int micro_batch,
                                parallel::StreamName /*stream*/) const {
  return std::ssize(micro_batches_[micro_batch].ids);
}

parallel::Streams DecodeStages::forward(int /*chunk*/,
                                        int micro_batch,
                                        Streams x) {
  const DecodeMicroBatch& next = micro_batches_[micro_batch];
  return cache_ == KvCache::kOn ? read(next, std::move(x))
                                : read_everything(next, std::move(x));
}

OwnedTensor DecodeStages::upload(const Tokens& values) {
  OwnedTensor tensor = rank_.arena.tensor(
      {std::ssize(values)}, Category::kWorkspace, DType::kI32);
  launch(
      rank_.stream,
      kernels::Upload{.y = tensor, .host = std::as_bytes(std::span(values))});
  return tensor;
}

parallel::Streams DecodeStages::read(const DecodeMicroBatch& micro_batch,
                                     Streams x) {
  const OwnedTensor ids = upload(micro_batch.ids);
  const OwnedTensor positions = upload(positions_of(micro_batch));
  const OwnedTensor lengths = upload(micro_batch.lengths);
  return stack().read(
      ctx_,
      std::move(x),
      {.ids = ids,
       .sequences = {.samples = micro_batch.count(), .positions = positions},
       .lengths = lengths,
       .logits = logits_.rows(micro_batch.first, micro_batch.count())},
      kept_.of_texts(micro_batch.first, micro_batch.count()));
}

parallel::Streams DecodeStages::read_everything(
    const DecodeMicroBatch& micro_batch, Streams x) {
  const OwnedTensor ids = upload(micro_batch.ids);
  const OwnedTensor positions = upload(positions_of(micro_batch));
  const std::int64_t N = ids.elements();
  const OwnedTensor logits =
      ctx_.workspace({N, logits_.shape()[1]}, DType::kF32);
  x = stack().run(ctx_,
                  std::move(x),
                  {.ids = ids,
                   .sequences = {.samples = 1, .positions = positions},
                   .logits = logits});
  if (stack().makes_loss()) {
    launch(ctx_.stream,
           kernels::EveryNthRow{
               .y = logits_.rows(micro_batch.first, 1), .x = logits, .n = N});
  }
  return x;
}

}  // namespace dure::train
