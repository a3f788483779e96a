#include "dure/nn/cross_entropy.h"

#include "dure/comm/traced_work.h"
#include "dure/kernels/cross_entropy.h"

namespace dure::nn {
namespace {

void all_reduce(const parallel::TensorAxis& axis,
                const char* name,
                comm::AllReduce op) {
  op.how.sums = axis.sums;
  comm::run_traced(*axis.stream, *axis.ranks, name, op);
}

}  // namespace

CrossEntropy::Statistics CrossEntropy::loss_of(Context& ctx,
                                               Tensor loss,
                                               ConstTensor logits,
                                               ConstTensor targets) const {
  const std::int64_t N = logits.shape()[0];
  Statistics all = {
      .maximum = ctx.workspace({N}, DType::kF32),
      .sums = ctx.arena.tensor({2, N}, Category::kWorkspace, DType::kF64)};
  const OwnedTensor own = ctx.workspace({N}, DType::kF32);
  launch(ctx.stream,
         kernels::LogitStatistics{.maximum = own,
                                  .sums = all.sums,
                                  .logits = logits,
                                  .targets = targets,
                                  .first_column = first_column(logits),
                                  .vocabulary = vocabulary_});
  all_reduce(ctx.tensor,
             "all_reduce maxima",
             {.y = all.maximum, .x = own, .reduction = comm::Reduction::kMax});
  launch(ctx.stream,
         kernels::RescaleSums{
             .sums = all.sums, .own = own, .maximum = all.maximum});
  all_reduce(ctx.tensor, "all_reduce sums", {.y = all.sums, .x = all.sums});
  launch(ctx.stream,
         kernels::CrossEntropyLoss{.loss = loss,
                                   .maximum = all.maximum,
                                   .sums = all.sums,
                                   .targets = targets});
  return all;
}

void CrossEntropy::loss(Context& ctx,
                        Tensor loss,
                        ConstTensor logits,
                        ConstTensor targets) const {
  loss_of(ctx, loss, logits, targets);
}

void CrossEntropy::loss_and_gradient(Context& ctx,
                                     const LossAndGradient& op) const {
  const Statistics all = loss_of(ctx, op.loss, op.logits, op.targets);
  launch(ctx.stream,
         kernels::CrossEntropyGradient{.logits = op.logits,
                                       .maximum = all.maximum,
                                       .sums = all.sums,
                                       .targets = op.targets,
                                       .first_column = first_column(op.logits),
                                       .vocabulary = vocabulary_,
                                       .d_loss = op.d_loss});
}

}  // namespace dure::nn
