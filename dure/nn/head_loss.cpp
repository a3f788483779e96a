#include "dure/nn/head_loss.h"

#include <algorithm>

#include "dure/kernels/cross_entropy.h"
#include "dure/kernels/matmul.h"

namespace dure::nn {

using kernels::Gradient;
using kernels::MatMul;
using kernels::Transpose;

namespace {

// Enough rows that reading the weight and its gradient once a block (8 bytes an
// element) is small beside the block's 6 flops a row and element; few enough
// that the logits stay a small share of memory: 100 MiB at 50,304 columns.
constexpr std::int64_t kMaximumRows = 512;

}  // namespace

std::int64_t HeadLoss::block_rows(std::int64_t rows) {
  return std::min(rows, kMaximumRows);
}

void HeadLoss::forward(Context& ctx,
                       Tensor loss,
                       ConstTensor x,
                       ConstTensor targets,
                       float d_loss,
                       Saved& saved) const {
  const auto [N, C] = x.dims<2>("x");
  const std::int64_t Vp = weight_.value.shape()[0];
  const std::int64_t block = block_rows(N);
  const OwnedTensor logits = ctx.workspace({block, Vp});
  if (ctx.phase == Phase::kTrain) {
    saved.d_x = ctx.activation({N, C});
  }
  for (std::int64_t first = 0; first < N; first += block) {
    const std::int64_t rows = std::min(block, N - first);
    forward_block(ctx,
                  logits.rows(0, rows),
                  loss.rows(first, rows),
                  x.rows(first, rows),
                  targets.rows(first, rows),
                  d_loss,
                  saved.d_x ? saved.d_x.rows(first, rows) : Tensor());
  }
}

void HeadLoss::forward_block(Context& ctx,
                             Tensor logits_NV,
                             Tensor loss,
                             ConstTensor x,
                             ConstTensor targets,
                             float d_loss,
                             Tensor d_x) const {
  logits(ctx, logits_NV, x);
  const bool train = ctx.phase == Phase::kTrain;
  launch(ctx.stream,
         kernels::CrossEntropy{
             .loss = loss,
             .logits = logits_NV,
             .targets = targets,
             .vocabulary = vocabulary_,
             .d_loss = d_loss,
             .gradient = train ? Gradient::kInPlace : Gradient::kNone});
  if (train) {
    launch(ctx.stream, MatMul{.y = d_x, .a = logits_NV, .b = weight_.value});
    launch(ctx.stream,
           MatMul{.y = weight_.gradient,
                  .a = logits_NV,
                  .b = x,
                  .transpose_a = Transpose::kYes,
                  .write = weight_.take_write()});
  }
}

void HeadLoss::logits(Context& ctx, Tensor logits_NV, ConstTensor x) const {
  launch(ctx.stream,
         MatMul{.y = logits_NV,
                .a = x,
                .b = weight_.value,
                .transpose_b = Transpose::kYes});
}

}  // namespace dure::nn
