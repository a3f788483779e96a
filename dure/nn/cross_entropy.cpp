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
                                               const Rows& op) const {
  const std::int64_t N = op.logits.shape()[0];
  Statistics all = {
      .maximum = ctx.workspace({N}, DType::kF32),
      .sums = ctx.arena.tensor({2, N}, Category::kWorkspace, DType::kF64)};
  const OwnedTensor own = ctx.workspace({N}, DType::kF32);
  launch(ctx.stream,
         kernels::LogitStatistics{.maximum = own,
                                  .sums = all.sums,
                                  .logits = op.logits,
                                  .targets = op.targets,
                                  .first_column = first_column(op.logits),
                                  .vocabulary = vocabulary_});
  all_reduce(ctx.tensor,
             "all_reduce maxima",
             {.y = all.maximum, .x = own, .reduction = comm::Reduction::kMax});
  launch(ctx.stream,
         kernels::RescaleSums{
             .sums = all.sums, .own = own, .maximum = all.maximum});
  all_reduce(ctx.tensor, "all_reduce sums", {.y = all.sums, .x = all.sums});
  launch(ctx.stream,
         kernels::CrossEntropyLoss{.loss = op.loss,
                                   .maximum = all.maximum,
                                   .sums = all.sums,
                                   .targets = op.targets,
                                   .weights = op.weights});
  return all;
}

void CrossEntropy::loss(Context& ctx, const Rows& op) const {
  loss_of(ctx, op);
}

void CrossEntropy::loss_and_gradient(Context& ctx, const Rows& op) const {
  const Statistics all = loss_of(ctx, op);
  launch(ctx.stream,
         kernels::CrossEntropyGradient{.logits = op.logits,
                                       .maximum = all.maximum,
                                       .sums = all.sums,
                                       .targets = op.targets,
                                       .first_column = first_column(op.logits),
                                       .vocabulary = vocabulary_,
                                       .d_loss = op.d_loss,
                                       .weights = op.weights});
}

}  // namespace dure::nn
