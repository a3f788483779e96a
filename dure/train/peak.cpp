#include "dure/train/peak.h"

#include <algorithm>

#include "dure/base/trace.h"
#include "dure/kernels/elementwise.h"
#include "dure/kernels/matmul.h"

namespace dure::train {

double measure_peak_flops(Rank& rank) {
  constexpr std::int64_t kM = 2048;
  constexpr std::int64_t kK = 768;
  constexpr std::int64_t kN = 3072;
  constexpr int kRuns = 5;
  // Its own arena: the run's account is of the run.
  Arena arena({.device = rank.stream.device()});
  const OwnedTensor a = arena.tensor({kM, kK}, Category::kWorkspace);
  const OwnedTensor b = arena.tensor({kN, kK}, Category::kWorkspace);
  const OwnedTensor y = arena.tensor({kM, kN}, Category::kWorkspace);
  launch(rank.stream, kernels::Fill{.y = a, .value = 1});
  launch(rank.stream, kernels::Fill{.y = b, .value = 1});
  const kernels::MatMul product = {
      .y = y, .a = a, .b = b, .transpose_b = kernels::Transpose::kYes};
  const bool simulated = rank.stream.device() == Device::kSim;
  const auto now = [&] {
    return simulated ? rank.stream.seconds() : monotonic_seconds();
  };
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    const double start = now();
    launch(rank.stream, product);
    best = std::max(best, cost(product).flops / (now() - start));
  }
  return best;
}

}  // namespace dure::train
