#include "dure/nn/dropout.h"

namespace dure::nn {

kernels::DropoutMask Dropout::mask(const Context& ctx,
                                   const Sequences& sequences,
                                   std::int64_t elements_per_sample) const {
  return {.stream = stream_,
          .first_sample = sequences.first_sample,
          .elements_per_sample = elements_per_sample,
          .rate = ctx.phase == Phase::kTrain ? rate_ : 0};
}

kernels::DropoutMask Dropout::stream_mask(const Context& ctx,
                                          const Sequences& sequences,
                                          const Shape& stream) const {
  const std::int64_t N = ctx.tensor.all_rows(stream[0]);
  const std::int64_t C = stream[1];
  kernels::DropoutMask result = mask(ctx, sequences, N / sequences.samples * C);
  result.offset = ctx.tensor.own(N).first * C;
  return result;
}

}  // namespace dure::nn
