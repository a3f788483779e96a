#include "dure/nn/weight_gradient_store.h"

#include <optional>

#include "dure/parallel/tensor/regions.h"

namespace dure::nn {
namespace {

using parallel::AllRows;

// Starts to gather the rows of the first half.
std::optional<AllRows> start_rows(const Context& ctx,
                                  const std::deque<WeightHalf>& halves) {
  if (halves.empty()) {
    return std::nullopt;
  }
  std::optional<AllRows> rows(std::in_place, ctx.tensor, halves[0].stream);
  rows->start();
  return rows;
}

}  // namespace

void WeightGradientStore::run(Context& ctx) {
  std::optional<AllRows> rows = start_rows(ctx, halves_);
  while (!halves_.empty()) {
    const WeightHalf half = std::move(halves_.front());
    halves_.pop_front();
    std::optional<AllRows> now = std::move(rows);
    const ConstTensor all = now->get();
    rows = start_rows(ctx, halves_);
    half.make(ctx,
              {.stream = half.stream, .rows = all, .columns = half.columns});
  }
}

void WeightGradientStore::for_each_buffer(const BufferVisitor& visit) {
  for (WeightHalf& half : halves_) {
    visit_buffers({&half.stream, &half.columns}, visit);
  }
}

OwnedTensor room_for_weights(const Context& ctx,
                             const Shape& shape,
                             DType dtype) {
  return ctx.deferred != nullptr ? ctx.activation(shape, dtype)
                                 : ctx.workspace(shape, dtype);
}

}  // namespace dure::nn
