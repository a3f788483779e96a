#include "dure/nn/head_loss.h"

#include <algorithm>

#include "dure/kernels/cross_entropy.h"
#include "dure/kernels/matmul.h"

namespace dure::nn {

using kernels::CrossEntropy;
using kernels::Gradient;
using kernels::MatMul;
using kernels::Transpose;

namespace {

// Enough rows that reading the weight and its gradient once a block (8 bytes an
// element) is small beside the block's 6 flops a row and element; few enough
// that the logits stay a small share of memory: 100 MiB at 50,304 columns.
constexpr std::int64_t kMaximumRows = 512;

struct Block {
  std::int64_t first;
  std::int64_t rows;
};

}  // namespace

template <typename Function>
void HeadLoss::for_each_block(Context& ctx,
                              ConstTensor x,
                              Function&& function) const {
  const std::int64_t N = x.shape()[0];
  const std::int64_t most = std::min(N, kMaximumRows);
  const OwnedTensor logits_NV = ctx.workspace({most, weight_.value.shape()[0]});
  for (std::int64_t first = 0; first < N; first += most) {
    const std::int64_t rows = std::min(most, N - first);
    function(Block{first, rows}, logits_NV.rows(0, rows));
  }
}

void HeadLoss::forward(Context& ctx,
                       Tensor loss,
                       ConstTensor x,
                       ConstTensor targets,
                       float d_loss,
                       Saved& saved) const {
  saved.d_x = ctx.activation(x.shape());
  for_each_block(ctx, x, [&](Block block, Tensor logits_NV) {
    const ConstTensor x_NC = x.rows(block.first, block.rows);
    logits(ctx, logits_NV, x_NC);
    launch(ctx.stream,
           CrossEntropy{.loss = loss.rows(block.first, block.rows),
                        .logits = logits_NV,
                        .targets = targets.rows(block.first, block.rows),
                        .vocabulary = vocabulary_,
                        .d_loss = d_loss,
                        .gradient = Gradient::kInPlace});
    use_gradient(ctx, logits_NV, x_NC, saved.d_x.rows(block.first, block.rows));
  });
}

void HeadLoss::use_gradient(Context& ctx,
                            ConstTensor d_logits,
                            ConstTensor x,
                            Tensor d_x) const {
  launch(ctx.stream, MatMul{.y = d_x, .a = d_logits, .b = weight_.value});
  launch(ctx.stream,
         MatMul{.y = weight_.gradient,
                .a = d_logits,
                .b = x,
                .transpose_a = Transpose::kYes,
                .write = weight_.take_write()});
}

// In blocks of the same rows as forward(), so that sums are cut alike.
void HeadLoss::backward_logits(Context& ctx,
                               ConstTensor d_logits,
                               ConstTensor x,
                               Saved& saved) const {
  const std::int64_t N = x.shape()[0];
  saved.d_x = ctx.activation(x.shape());
  for (std::int64_t first = 0; first < N; first += kMaximumRows) {
    const std::int64_t rows = std::min(N - first, kMaximumRows);
    use_gradient(ctx,
                 d_logits.rows(first, rows),
                 x.rows(first, rows),
                 saved.d_x.rows(first, rows));
  }
}

void HeadLoss::evaluate(Context& ctx,
                        Tensor loss,
                        ConstTensor x,
                        ConstTensor targets) const {
  for_each_block(ctx, x, [&](Block block, Tensor logits_NV) {
    logits(ctx, logits_NV, x.rows(block.first, block.rows));
    launch(ctx.stream,
           CrossEntropy{.loss = loss.rows(block.first, block.rows),
                        .logits = logits_NV,
                        .targets = targets.rows(block.first, block.rows),
                        .vocabulary = vocabulary_,
                        .gradient = Gradient::kNone});
  });
}

void HeadLoss::logits(Context& ctx, Tensor logits_NV, ConstTensor x) const {
  launch(ctx.stream,
         MatMul{.y = logits_NV,
                .a = x,
                .b = weight_.value,
                .transpose_b = Transpose::kYes});
}

}  // namespace dure::nn
