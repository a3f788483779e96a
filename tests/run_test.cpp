// A run on disk: what it writes, how it stops, how it goes on.
#include "dure/train/run.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/base/interrupt.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/data/indexed_writer.h"
#include "dure/train/run_checkpoint.h"
#include "tests/small_run.h"

namespace dure {
namespace {

using train::Config;
using train::Resume;

// Before any thread, so that no thread of OpenMP or of a test takes the signals
// that are for the run's own watch.
const bool kSignalsBlocked = [] {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  return ::pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0;
}();

struct Run : testing::Test {
  Path folder = std::filesystem::temp_directory_path() /
                ("dure_run_" + std::to_string(::getpid()));

  void SetUp() override {
    std::filesystem::remove_all(folder);
    make_directories(folder);
    write_data();
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  // 400 documents of 40 tokens.
  void write_data() const {
    data::IndexedDatasetWriter writer((folder / "text").string(),
                                      data::TokenType::kU16);
    const Walks walks(400, 39, 61);
    std::vector<std::int32_t> tokens(40);
    for (std::int64_t i = 0; i < walks.size(); ++i) {
      walks.sample(i, tokens);
      writer.add_sequence(tokens);
      writer.end_document();
    }
    writer.commit();
  }

  Config config(const std::string& name) const {
    Config config = small_gpt();
    config.model.dropout = 0.1;
    config.data.train = {(folder / "text").string()};
    config.data.split = "90,10,0";
    config.data.tokenizer = "bytes";
    config.train.steps = 12;
    config.train.evaluate_every = 5;
    config.train.evaluate_steps = 2;
    config.checkpoint.every = 4;
    config.checkpoint.keep = 2;
    config.log.directory = (folder / name).string();
    return train::resolve(config);
  }

  void train(const Config& config, Resume resume = Resume::kNo) const {
    const InterruptWatch interrupts;
    train::run_training(config, {.resume = resume, .stop = interrupts.token()});
  }

  Path checkpoint(const std::string& name, const std::string& step) const {
    return folder / name / "checkpoints" / ("step_000000" + step);
  }

  // metrics.jsonl without what the clock decides.
  std::string losses(const std::string& name) const {
    std::string text = read_file(folder / name / "metrics.jsonl");
    std::string kept;
    for (std::size_t start = 0; start < text.size();) {
      const std::size_t end = text.find('\n', start);
      const std::string line = text.substr(start, end - start);
      kept += line.substr(0, line.find(", \"tokens_per_second\"")) + "\n";
      start = end + 1;
    }
    return kept;
  }

  void expect_same_end(const std::string& a, const std::string& b) const {
    for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
      EXPECT_EQ(read_file(checkpoint(a, "12") / file),
                read_file(checkpoint(b, "12") / file))
          << file;
    }
    EXPECT_EQ(losses(a), losses(b));
  }
};

TEST_F(Run, WritesMetricsMemoryAndTheLastCheckpoints) {
  Config traced = config("a");
  traced.log.trace = true;
  train(traced);
  const std::string metrics = read_file(folder / "a" / "metrics.jsonl");
  EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), 12);
  EXPECT_NE(metrics.find("validation_loss"), std::string::npos);
  EXPECT_NE(read_file(folder / "a" / "memory.json").find("activations"),
            std::string::npos);
  EXPECT_NE(read_file(folder / "a" / "trace.json").find("\"matmul\""),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(checkpoint("a", "04")));
  EXPECT_TRUE(std::filesystem::exists(checkpoint("a", "08")));
  EXPECT_TRUE(std::filesystem::exists(checkpoint("a", "12")));
}

// Everything after the checkpoint is lost, as if the machine had died in step
// 11; the second run must not be told from one that never stopped.
TEST_F(Run, GoesOnBitForBitAsIfItHadNeverStopped) {
  train(config("whole"));
  train(config("cut"));
  std::filesystem::remove_all(checkpoint("cut", "12"));
  train(config("cut"), Resume::kYes);
  expect_same_end("whole", "cut");
}

TEST_F(Run, FinishesTheStepAndSavesOnASignal) {
  ASSERT_TRUE(kSignalsBlocked);
  for (const int signal : {SIGINT, SIGTERM}) {
    SCOPED_TRACE(signal);
    const std::string name = "signal" + std::to_string(signal);
    Config slow = config(name);
    slow.train.steps = 100000;
    slow.train.evaluate_every = 0;
    slow.checkpoint.every = 0;
    std::jthread sender([&] {
      while (!std::filesystem::exists(folder / name / "metrics.jsonl") ||
             read_file(folder / name / "metrics.jsonl").size() < 1000) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      ::kill(::getpid(), signal);
    });
    train(slow);
    const auto latest =
        checkpoint::find_latest(train::checkpoint_directory(slow));
    ASSERT_TRUE(latest);
    const std::int64_t step =
        checkpoint::CheckpointReader(*latest).manifest().step;
    EXPECT_GT(step, 0);
    EXPECT_LT(step, 100000);
    const std::string metrics = read_file(folder / name / "metrics.jsonl");
    EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), step);
  }
}

TEST_F(Run, StartsOverOnlyWhereNothingIsLost) {
  train(config("a"));
  EXPECT_THROW(train(config("a")), UsageError);
  const std::string before = losses("a");
  train(config("a"), Resume::kYes);  // finished already
  EXPECT_EQ(losses("a"), before);
}

TEST_F(Run, RefusesACheckpointOfAnotherRun) {
  train(config("a"));
  const auto refuses = [&](const Config& other, const std::string& what) {
    try {
      train(train::resolve(other), Resume::kYes);
      FAIL() << what;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(what), std::string::npos)
          << error.what();
    }
  };
  Config other = config("a");
  other.model.hidden = 64;
  other.model.ffn_hidden = 0;
  refuses(other, "hidden");
  other = config("a");
  other.train.seed = 4;
  refuses(other, "train.seed");
  other = config("a");
  other.optimizer.name = optim::OptimizerKind::kSgd;
  refuses(other, "optimizer.name");
}

TEST_F(Run, OnTheSimulatorSavesNoWeights) {
  Config simulated = config("sim");
  simulated.train.device = Device::kSim;
  train(simulated);
  EXPECT_FALSE(std::filesystem::exists(checkpoint("sim", "12")));
  EXPECT_TRUE(std::filesystem::exists(folder / "sim" / "memory.json"));
}

}  // namespace
}  // namespace dure
