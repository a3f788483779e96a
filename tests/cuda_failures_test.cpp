// Every call to CUDA that a training run makes fails once, on the emulated
// device: the run ends with an error that names the call, nothing is lost, and
// the next run is as if nothing had been.
//
// Without DURE_TEST_EVERY_CALL=1 some of the calls fail: the first of each
// function, and others drawn at random.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/random.h"
#include "dure/train/options.h"
#include "dure/train/trainer.h"
#include "tests/small_run.h"
#include "tools/cuda_emulator/emulator.h"

namespace dure {
namespace {

using testing::HasSubstr;
using train::Config;

constexpr int kDrawn = 40;

// They only give something back, in a destructor. Their errors are ignored.
const std::set<std::string> kIgnored = {"cublasLtDestroy",
                                        "cublasLtMatmulDescDestroy",
                                        "cublasLtMatmulPreferenceDestroy",
                                        "cublasLtMatrixLayoutDestroy",
                                        "cudaEventDestroy",
                                        "cudaFree",
                                        "cudaFreeHost",
                                        "cudaStreamDestroy",
                                        "cuMemAddressFree",
                                        "cuMemUnmap"};

Config small_run() {
  Config config = small_gpt();
  config.train.device = Device::kCuda;
  config.model.dropout = 0.1;
  config.model.layers = 1;
  config.optimizer.clip_gradient = 0.5;
  config.precision = {.compute = train::Compute::kFp16,
                      .loss_scale = train::kDynamicScale};
  return resolve(config);
}

// Two steps and an evaluation; the losses.
std::vector<double> run() {
  const Config config = small_run();
  train::Rank rank(train::rank_options(config));
  train::Trainer trainer(rank, config);
  const Walks data = small_data();
  std::vector<double> losses;
  for (int step = 0; step < 2; ++step) {
    losses.push_back(trainer.step(data).loss);
  }
  losses.push_back(trainer.evaluate(data, 2).value());
  return losses;
}

// The error of a run in which the call with this number fails, counted from
// the run's first one; nothing: it had none.
std::optional<std::string> error_of_run(std::int64_t number) {
  cuda_emulator::fail_call(cuda_emulator::calls() + number);
  std::optional<std::string> error;
  try {
    run();
  } catch (const Error& caught) {
    error = caught.what();
  }
  cuda_emulator::fail_call(-1);
  return error;
}

// The names of the calls of a run, in their order.
std::vector<std::string> calls_of_run() {
  cuda_emulator::record_calls();
  run();
  return cuda_emulator::recorded_calls();
}

std::vector<std::int64_t> chosen(const std::vector<std::string>& names) {
  const char* const every = std::getenv("DURE_TEST_EVERY_CALL");
  const bool all = every != nullptr && std::string_view(every) == "1";
  std::set<std::int64_t> numbers;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (all || seen.insert(names[i]).second) {
      numbers.insert(static_cast<std::int64_t>(i));
    }
  }
  const RandomStream random(cuda_emulator::seed(), "calls");
  for (std::uint64_t i = 0; i < kDrawn; ++i) {
    numbers.insert(static_cast<std::int64_t>(random.below(names.size(), i)));
  }
  return {numbers.begin(), numbers.end()};
}

// The process's first run looks up the driver's functions.
TEST(CudaFailures, OfTheFirstCallsEndTheFirstRun) {
  const auto before = cuda_emulator::held();
  for (std::int64_t number = 0; number < 16; ++number) {
    const std::optional<std::string> error = error_of_run(number);
    ASSERT_TRUE(error.has_value()) << number;
    EXPECT_THAT(*error,
                HasSubstr(cuda_emulator::failed_function() + " failed"));
    EXPECT_EQ(cuda_emulator::held(), before);
  }
}

TEST(CudaFailures, OfAnyCallEndTheRunWithItsName) {
  const std::vector<double> losses = run();
  const auto before = cuda_emulator::held();
  const std::vector<std::string> names = calls_of_run();
  const std::vector<std::int64_t> numbers = chosen(names);
  fmt::print("{} of {} calls fail\n", numbers.size(), names.size());
  std::size_t ended = 0;
  for (const std::int64_t number : numbers) {
    const std::optional<std::string> error = error_of_run(number);
    const std::string name = cuda_emulator::failed_function();
    const std::string where = fmt::format("call {}, {}", number, name);
    EXPECT_EQ(name, names[static_cast<std::size_t>(number)]) << where;
    if (error) {
      EXPECT_THAT(*error, HasSubstr(name + " failed")) << where;
      ++ended;
    } else {
      EXPECT_TRUE(kIgnored.contains(name) || (name == "cudaStreamSynchronize" &&
                                              number > std::ssize(names) / 2))
          << where;
    }
    EXPECT_EQ(cuda_emulator::held(), before) << where;
    EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess) << where;
  }
  EXPECT_GT(ended, numbers.size() / 2);
  EXPECT_EQ(run(), losses);
}

}  // namespace
}  // namespace dure
