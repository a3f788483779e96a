// Golden loss curves: forty steps of a small GPT and a small Llama.
//
// A change that should not alter results leaves these files alone. One that
// should alter them rewrites them, by running this with DURE_WRITE_GOLDEN=1,
// and shows them in its diff.
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/files.h"
#include "dure/train/trainer.h"
#include "tests/small_run.h"

namespace dure {
namespace {

// The file has six digits. Another instruction set rounds differently: AVX-512,
// AVX2 and scalar code differ by at most 6e-8 over these forty steps, and the
// number of threads changes nothing (measured).
constexpr double kTolerance = 1e-6;

std::vector<double> curve(const train::Config& config) {
  train::Rank rank({});
  train::Trainer trainer(rank, train::resolve(config));
  const Walks data = small_data();
  std::vector<double> losses;
  for (std::int64_t i = 0; i < config.train.steps; ++i) {
    losses.push_back(trainer.step(data).loss);
  }
  return losses;
}

void expect_curve(const std::string& name, train::Config config) {
  config.model.dropout = 0.1;
  config.optimizer.decay = optim::DecayKind::kCosine;
  config.optimizer.warmup_steps = 5;
  const std::vector<double> losses = curve(config);
  const Path path = Path("tests/golden/curves") / (name + ".txt");
  if (std::getenv("DURE_WRITE_GOLDEN") != nullptr) {
    std::string text;
    for (const double loss : losses) {
      text += fmt::format("{:.6f}\n", loss);
    }
    write_file_atomically(path, text);
  }
  std::ifstream file(path);
  double wanted = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    ASSERT_TRUE(file >> wanted) << path << " ends before step " << i + 1;
    EXPECT_NEAR(losses[i], wanted, kTolerance) << "step " << i + 1;
  }
}

TEST(Curve, OfASmallGpt) {
  expect_curve("gpt", small_gpt());
}

TEST(Curve, OfASmallLlama) {
  expect_curve("llama", small_llama());
}

}  // namespace
}  // namespace dure
