#include "dure/nn/head_loss.h"

#include <algorithm>
#include <utility>

#include "dure/base/check.h"
#include "dure/kernels/matmul.h"
#include "dure/kernels/transfer.h"
#include "dure/nn/in_type.h"
#include "dure/nn/weight_gradient_store.h"

namespace dure::nn {

using kernels::MatMul;
using kernels::Transpose;
using parallel::AllRows;
using parallel::PartialSum;
using parallel::RowRange;

namespace {

// Enough rows that reading the weight and its gradient once a block (8 bytes an
// element) is little beside the block's 6 flops a row and element; few enough
// that the logits take little memory: 100 MiB at 50,304 columns.
constexpr std::int64_t kMaximumRows = 512;

template <typename Function>
void for_each_block(std::int64_t N, const Function& function) {
  for (std::int64_t first = 0; first < N; first += kMaximumRows) {
    function(RowRange{first, std::min(kMaximumRows, N - first)});
  }
}

}  // namespace

HeadLoss::HeadLoss(Parameter& weight, std::int64_t vocabulary, mesh::Part part)
    : weight_(weight), vocabulary_(vocabulary), part_(part) {
  const std::int64_t columns = weight.value.shape()[0] * part.count;
  DURE_CHECK(vocabulary <= columns,
             "a vocabulary of {} does not fit {} rows of the head's weight",
             vocabulary,
             columns);
}

void HeadLoss::forward(Context& ctx, const Forward& op, Saved& saved) const {
  saved.d_x = ctx.activation(op.x.shape(), op.x.dtype());
  AllRows all_x(ctx.tensor, op.x);
  PartialSum d_x(ctx.tensor, saved.d_x);
  const std::int64_t N = op.targets.elements();
  const OwnedTensor memory_NV = ctx.workspace(
      {std::min(N, kMaximumRows), weight_.value.shape()[0]}, DType::kF32);
  const CrossEntropy cross_entropy(vocabulary_, part_);
  for_each_block(N, [&](RowRange block) {
    const ConstTensor x_NC = all_x.get().rows(block.first, block.count);
    const Tensor logits_NV = memory_NV.rows(0, block.count);
    own_logits(ctx, logits_NV, x_NC);
    cross_entropy.loss_and_gradient(ctx, rows_of(op, block, logits_NV));
    const InType d_logits(ctx, logits_NV, weight_.value.dtype());
    backward_input(ctx, d_logits.get(), block.first, d_x);
    backward_weight(ctx, d_logits.get(), x_NC);
  });
  d_x.wait();
}

CrossEntropy::Rows HeadLoss::rows_of(const Forward& op,
                                     RowRange rows,
                                     Tensor logits) {
  const auto some = [&](ConstTensor all) {
    return all ? all.rows(rows.first, rows.count) : all;
  };
  return {.loss = op.loss.rows(rows.first, rows.count),
          .logits = logits,
          .targets = some(op.targets),
          .weights = some(op.weights),
          .d_loss = op.d_loss};
}

void HeadLoss::backward_input(Context& ctx,
                              ConstTensor d_logits,
                              std::int64_t first,
                              PartialSum& d_x) const {
  const std::int64_t rows = d_logits.shape()[0];
  launch(ctx.stream,
         MatMul{.y = d_x.summand().rows(first, rows),
                .a = d_logits,
                .b = weight_.value});
  if (first + rows == d_x.summand().shape()[0]) {
    d_x.start();
  }
}

void HeadLoss::backward_weight(Context& ctx,
                               ConstTensor d_logits,
                               ConstTensor x) const {
  launch(ctx.stream,
         MatMul{.y = weight_.gradient,
                .a = d_logits,
                .b = x,
                .transpose_a = Transpose::kYes,
                .write = weight_.take_write()});
}

void HeadLoss::forward_keeping(Context& ctx,
                               const Forward& op,
                               Saved& saved) const {
  AllRows all_x(ctx.tensor, op.x);
  const std::int64_t N = op.targets.elements();
  const std::int64_t V = weight_.value.shape()[0];
  saved.d_logits = ctx.activation({N, V}, weight_.value.dtype());
  OwnedTensor memory_NV;  // of a block's logits, where gradients are shorter
  if (saved.d_logits.dtype() != DType::kF32) {
    memory_NV = ctx.workspace({std::min(N, kMaximumRows), V}, DType::kF32);
  }
  const CrossEntropy cross_entropy(vocabulary_, part_);
  for_each_block(N, [&](RowRange block) {
    const Tensor kept_NV = saved.d_logits.rows(block.first, block.count);
    const Tensor logits_NV =
        memory_NV ? memory_NV.rows(0, block.count) : kept_NV;
    own_logits(ctx, logits_NV, all_x.get().rows(block.first, block.count));
    cross_entropy.loss_and_gradient(ctx, rows_of(op, block, logits_NV));
    if (memory_NV) {
      launch(ctx.stream, kernels::Copy{.y = kept_NV, .x = logits_NV});
    }
  });
}

void HeadLoss::backward_kept(Context& ctx, OwnedTensor x, Saved& saved) const {
  if (ctx.deferred == nullptr) {
    backward_logits(ctx, saved.d_logits, x, saved);
    saved.d_logits = OwnedTensor();
    return;
  }
  saved.d_x = ctx.activation(x.shape(), x.dtype());
  PartialSum d_x(ctx.tensor, saved.d_x);
  backward_all_input(ctx, saved.d_logits, d_x);
  ctx.deferred->push({.stream = std::move(x),
                      .columns = std::move(saved.d_logits),
                      .make = [this](Context& now, const Factors& factors) {
                        backward_all_weight(now, factors.columns, factors.rows);
                      }});
  d_x.wait();
}

void HeadLoss::backward_logits(Context& ctx,
                               ConstTensor d_logits,
                               ConstTensor x,
                               Saved& saved) const {
  saved.d_x = ctx.activation(x.shape(), x.dtype());
  AllRows all_x(ctx.tensor, x);
  all_x.start();
  PartialSum d_x(ctx.tensor, saved.d_x);
  backward_all_input(ctx, d_logits, d_x);
  backward_all_weight(ctx, d_logits, all_x.get());
  d_x.wait();
}

void HeadLoss::backward_all_input(Context& ctx,
                                  ConstTensor d_logits,
                                  PartialSum& d_x) const {
  for_each_block(d_logits.shape()[0], [&](RowRange block) {
    const InType rows(
        ctx, d_logits.rows(block.first, block.count), weight_.value.dtype());
    backward_input(ctx, rows.get(), block.first, d_x);
  });
}

void HeadLoss::backward_all_weight(Context& ctx,
                                   ConstTensor d_logits,
                                   ConstTensor x) const {
  for_each_block(d_logits.shape()[0], [&](RowRange block) {
    const InType rows(
        ctx, d_logits.rows(block.first, block.count), weight_.value.dtype());
    backward_weight(ctx, rows.get(), x.rows(block.first, block.count));
  });
}

void HeadLoss::evaluate(Context& ctx, const Forward& op) const {
  AllRows all_x(ctx.tensor, op.x);
  const std::int64_t N = op.targets.elements();
  const OwnedTensor memory_NV = ctx.workspace(
      {std::min(N, kMaximumRows), weight_.value.shape()[0]}, DType::kF32);
  const CrossEntropy cross_entropy(vocabulary_, part_);
  for_each_block(N, [&](RowRange block) {
    const Tensor logits_NV = memory_NV.rows(0, block.count);
    own_logits(ctx, logits_NV, all_x.get().rows(block.first, block.count));
    cross_entropy.loss(ctx, rows_of(op, block, logits_NV));
  });
}

void HeadLoss::own_logits(Context& ctx, Tensor logits, ConstTensor x) const {
  launch(ctx.stream,
         MatMul{.y = logits,
                .a = x,
                .b = weight_.value,
                .transpose_b = Transpose::kYes});
}

// A block's columns are gathered rank by rank, and put side by side.
void HeadLoss::logits(Context& ctx, Tensor logits_NV, ConstTensor x) const {
  AllRows all_x(ctx.tensor, x);
  const std::int64_t N = logits_NV.shape()[0];
  const std::int64_t T = part_.count;
  const std::int64_t V = weight_.value.shape()[0];
  const OwnedTensor memory =
      ctx.workspace({T * std::min(N, kMaximumRows), V}, DType::kF32);
  for_each_block(N, [&](RowRange block) {
    const Tensor gathered = memory.rows(0, T * block.count);
    const Tensor own = gathered.rows(part_.index * block.count, block.count);
    own_logits(ctx, own, all_x.get().rows(block.first, block.count));
    comm::run_traced(ctx.stream,
                     *ctx.tensor.ranks,
                     "all_gather logits",
                     comm::AllGather{.y = gathered, .x = own});
    launch(ctx.stream,
           kernels::JoinColumns{.y = logits_NV.rows(block.first, block.count),
                                .x = gathered.reshaped({T, block.count, V})});
  });
}

}  // namespace dure::nn
