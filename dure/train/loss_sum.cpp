#include "dure/train/loss_sum.h"

#include <array>
#include <span>

#include "dure/kernels/exact_sum.h"
#include "dure/kernels/transfer.h"

namespace dure::train {
namespace {

using Digits = std::array<std::int64_t, ExactSum::kDigits>;

constexpr Digits kNone = {};

}  // namespace

LossSum::LossSum(Rank& rank)
    : rank_(rank),
      digits_(rank.arena.tensor({std::int64_t{ExactSum::kDigits}},
                                Category::kWorkspace,
                                DType::kI64)) {
  clear();
}

void LossSum::clear() {
  launch(
      rank_.stream,
      kernels::Upload{.y = digits_, .host = std::as_bytes(std::span(kNone))});
}

void LossSum::add(ConstTensor losses) {
  launch(rank_.stream, kernels::AddToExactSum{.sum = digits_, .x = losses});
}

ExactSum LossSum::download() const {
  Digits digits = {};
  launch(rank_.stream,
         kernels::Download{.host = std::as_writable_bytes(std::span(digits)),
                           .x = digits_});
  rank_.stream.synchronize();
  return ExactSum(digits);
}

}  // namespace dure::train
