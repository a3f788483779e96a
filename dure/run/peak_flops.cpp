#include "dure/run/peak_flops.h"

#include <algorithm>
#include <vector>

#include "dure/kernels/elementwise.h"
#include "dure/kernels/matmul.h"
#include "dure/launch/cores.h"
#include "dure/tensor/arena.h"

namespace dure::train {

namespace {

// While it lives the calling thread has all cores of the process.
class AllCores {
 public:
  AllCores() { launch::keep_to(all_); }
  AllCores(const AllCores&) = delete;
  AllCores& operator=(const AllCores&) = delete;
  ~AllCores() { launch::keep_to(share_); }

 private:
  std::vector<int> all_ = launch::usable_cores();
  std::vector<int> share_ = launch::cores_of_thread();
};

}  // namespace

double measure_peak_flops(Device device, DType dtype) {
  const AllCores cores;
  Stream stream(device);
  constexpr std::int64_t kM = 2048;
  constexpr std::int64_t kK = 768;
  constexpr std::int64_t kN = 3072;
  constexpr int kRuns = 5;
  constexpr double kEnough = 0.02;  // seconds
  // It has an arena of its own, so that the run's ledger is not changed.
  Arena arena(stream);
  const OwnedTensor a = arena.tensor({kM, kK}, Category::kWorkspace, dtype);
  const OwnedTensor b = arena.tensor({kN, kK}, Category::kWorkspace, dtype);
  const OwnedTensor y = arena.tensor({kM, kN}, Category::kWorkspace, dtype);
  kernels::launch(stream, kernels::Fill{.y = a, .value = 1});
  kernels::launch(stream, kernels::Fill{.y = b, .value = 1});
  stream.synchronize();
  double best = 0;
  // The seconds of the product of the first so many rows.
  const auto run = [&](std::int64_t rows) {
    const kernels::MatMul product = {.y = y.rows(0, rows),
                                     .a = a.rows(0, rows),
                                     .b = b,
                                     .transpose_b = kernels::Transpose::kYes};
    const double start = stream.now();
    kernels::launch(stream, product);
    stream.synchronize();
    const double seconds = stream.now() - start;
    best = std::max(best, cost(product).flops / seconds);
    return seconds;
  };
  std::int64_t rows = 64;
  while (rows < kM && run(rows) < kEnough) {
    rows *= 2;
  }
  for (int i = 0; i < kRuns; ++i) {
    run(rows);
  }
  return best;
}

}  // namespace dure::train
