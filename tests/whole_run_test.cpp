// A run on disk: what it writes, how it stops, how it resumes.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <fmt/core.h>
#include <functional>
#include <gmock/gmock.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/base/interrupt.h"
#include "dure/base/lock.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/data/indexed_dataset.h"
#include "dure/launch/run_ranks.h"
#include "dure/optim/sgd.h"
#include "dure/run/run.h"
#include "dure/run/run_checkpoint.h"
#include "dure/run/run_facts.h"
#include "tests/small_run.h"

namespace dure {
namespace {

using train::Config;
using train::Start;

// Blocks signals before any thread starts, so that no other takes those for the
// run's own watch.
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
    write_small_text((folder / "text").string());
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  Config config(const std::string& name) const {
    Config config = small_gpt();
    config.model.dropout = 0.1;
    config.data.train = {(folder / "text").string()};
    config.data.split = "90,10,0";
    config.train.steps = 12;
    config.train.evaluate_every = 5;
    config.train.evaluate_steps = 2;
    config.checkpoint.every = 4;
    config.checkpoint.keep = 2;
    config.log.directory = (folder / name).string();
    return train::resolve(config);
  }

  void train(const Config& config, Start start = Start::kNew) const {
    const InterruptWatch interrupts;
    train::run_training(config, {.start = start, .stop = interrupts.request()});
  }

  // Trains on so many ranks, as threads.
  void train_on(int ranks, Config config, Start start = Start::kNew) const {
    config.parallel.data = ranks;
    launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
      train::run_training(config, {.start = start, .world = &world});
    });
  }

  Path checkpoint(const std::string& name, const std::string& step) const {
    return folder / name / "checkpoints" / ("step_000000" + step);
  }

  static std::optional<Path> newest(const Config& config) {
    return checkpoint::find_newest(config.checkpoint.directory,
                                   checkpoint::Look::kSums)
        .whole;
  }

  // The Error of a run, or nothing.
  std::string error_of(const Config& config, Start start = Start::kNew) const {
    try {
      train(config, start);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  static std::vector<nlohmann::json> metrics_of(const Config& config) {
    std::istringstream file(
        read_file(Path(config.log.directory) / "metrics.jsonl"));
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(file, line);) {
      lines.push_back(nlohmann::json::parse(line));
    }
    return lines;
  }

  // Flips one bit of a weight.
  static void damage(const Path& checkpoint) {
    std::string text = read_file(checkpoint / "model.safetensors");
    text[text.size() - 100] = static_cast<char>(text[text.size() - 100] ^ 64);
    write_file_atomically(checkpoint / "model.safetensors", text);
  }

  // metrics.jsonl without the values that depend on time.
  std::string losses(const std::string& name) const {
    std::string text = read_file(folder / name / "metrics.jsonl");
    std::string kept;
    for (std::size_t start = 0; start < text.size();) {
      const std::size_t end = text.find('\n', start);
      const std::string line = text.substr(start, end - start);
      kept += line.substr(0, line.find(",\"tokens_per_second\"")) + "\n";
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
  traced.log.every = 4;  // steps between lines of progress, not of metrics
  testing::internal::CaptureStderr();
  train(traced);
  const std::string progress = testing::internal::GetCapturedStderr();
  for (const char* step : {"step 4/12", "step 8/12", "step 12/12"}) {
    EXPECT_NE(progress.find(step), std::string::npos) << progress;
  }
  // Another line says what the data is.
  EXPECT_EQ(std::count(progress.begin(), progress.end(), '\n'), 4);
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

TEST_F(Run, WritesWhenAndWhereEveryStartOfItWas) {
  Config first = config("a");
  first.train.steps = 8;
  train_on(2, first);
  train(config("a"), Start::kResume);
  const Path file = folder / "a" / "run.json";
  const auto starts = train::read_starts(read_file(file), file.string());
  ASSERT_EQ(starts.size(), 2U);
  EXPECT_EQ(starts[0].step, 0);
  EXPECT_EQ(starts[0].end.value().step, 8);
  EXPECT_EQ(starts[1].step, 8);
  EXPECT_EQ(starts[1].end.value().step, 12);
  EXPECT_GT(starts[1].end->seconds, 0);
  EXPECT_LE(starts[0].time, starts[0].end->time);
  EXPECT_LE(starts[0].end->time, starts[1].time);
  EXPECT_EQ(starts[0].back_end, "threads");
  EXPECT_THAT(starts[0].hosts.at(0).ranks, testing::ElementsAre(0, 1));
  EXPECT_GT(starts[0].hosts[0].threads, 0);
  const data::IndexedDataset text((folder / "text").string());
  EXPECT_THAT(starts[1].data.files,
              testing::ElementsAre(
                  train::DataFacts::File{.part = "train",
                                         .prefix = (folder / "text").string(),
                                         .documents = text.documents(),
                                         .tokens = text.tokens()}));
  EXPECT_EQ(starts[1].data.split, "90,10,0");
}

// A broken file of facts must not end a run.
TEST_F(Run, GoesOnWhereRunJsonIsBroken) {
  Config first = config("a");
  first.train.steps = 8;
  train(first);
  const Path file = folder / "a" / "run.json";
  for (const char* broken : {"", "[", "{}", "[1]", "[{\"started\": 5}]"}) {
    SCOPED_TRACE(broken);
    write_file_atomically(file, broken);
    EXPECT_EQ(error_of(config("a"), Start::kResume), "");
    std::filesystem::remove_all(checkpoint("a", "12"));
    EXPECT_EQ(train::read_starts(read_file(file), file.string()).size(), 1U);
  }
}

// The histograms of a run's metrics, by step.
std::map<int, nlohmann::json> histograms(const Path& metrics) {
  std::map<int, nlohmann::json> found;
  std::istringstream lines(read_file(metrics));
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json.contains("gradient_exponents")) {
      found[json["step"]] = json["gradient_exponents"];
    }
  }
  return found;
}

TEST_F(Run, WritesHistogramsOfGradientsThatResumingDoesNotChange) {
  const auto counting = [&](const char* name) {
    Config counted = config(name);
    counted.precision.compute = train::Compute::kFp16;
    counted.precision.initial_scale_power = 24;
    counted.log.gradient_histogram_every = 5;
    return train::resolve(counted);
  };
  train(counting("whole"));
  const auto whole = histograms(folder / "whole" / "metrics.jsonl");
  ASSERT_EQ(whole.size(), 2U);  // of 12 steps
  for (const auto& [step, histogram] : whole) {
    EXPECT_EQ(step % 5, 0);
    EXPECT_TRUE(histogram.contains("scaled"));
  }
  train(counting("cut"));
  std::filesystem::remove_all(checkpoint("cut", "12"));
  train(counting("cut"), Start::kResume);  // from step 8
  EXPECT_EQ(histograms(folder / "cut" / "metrics.jsonl"), whole);
  Config plain = counting("plain");
  plain.log.gradient_histogram_every = 0;
  train(plain);
  expect_same_end("whole", "plain");
  EXPECT_TRUE(histograms(folder / "plain" / "metrics.jsonl").empty());
}

// Everything after the checkpoint is lost, as if the machine had died in step
// 11. The second run must equal one that never stopped.
TEST_F(Run, GoesOnBitForBitAsIfItHadNeverStopped) {
  train(config("whole"));
  train(config("cut"));
  std::filesystem::remove_all(checkpoint("cut", "12"));
  train(config("cut"), Start::kResume);
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
    const auto latest = newest(slow);
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
  train(config("a"), Start::kResume);  // finished already
  EXPECT_EQ(losses("a"), before);
}

TEST_F(Run, RefusesACheckpointOfAnotherRun) {
  train(config("a"));
  const auto refuses = [&](const Config& other, const std::string& what) {
    EXPECT_THAT(error_of(train::resolve(other), Start::kResume),
                testing::HasSubstr(what));
  };
  Config other = config("a");
  other.model.hidden = 64;
  other.model.ffn_hidden = 0;
  refuses(other, "hidden");
  other = config("a");
  other.optimizer.name = &optim::kSgd;
  refuses(other, "optimizer.name");
}

// All that gives "samples read" its meaning must be the same, or the change be
// accepted.
TEST_F(Run, RefusesToReadOtherSamplesUnlessThatIsMeant) {
  train(config("a"));
  write_small_text((folder / "other").string(), 401);
  struct Case {
    std::function<void(Config&)> change;
    const char* said;
    const char* accept;
  };
  const std::vector<Case> cases = {
      {[](Config& c) { c.train.seed = 4; },
       "train.seed was 1234, is 4",
       "seed"},
      {[](Config& c) { c.train.global_batch = 8; },
       "train.global_batch was 4, is 8",
       "batch"},
      {[](Config& c) {
         c.train.batch_rampup = {2, 2, 8};
       },
       "train.batch_rampup was [], is [2, 2, 8]",
       "batch"},
      {[](Config& c) { c.data.sequence = 8; },
       "data.sequence was 16, is 8",
       "sequence"},
      {[](Config& c) { c.data.split = "80,20,0"; }, "split", "data"},
      {[&](Config& c) { c.data.train = {(folder / "other").string()}; },
       "contents",
       "data"},
      {[&](Config& c) { c.data.train.push_back((folder / "other").string()); },
       "names 2",
       "data"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.said);
    Config other = config("a");
    one.change(other);
    other.train.steps = 13;
    other.optimizer.decay_steps = 12;
    const std::string error = error_of(other, Start::kResume);
    EXPECT_THAT(error, testing::HasSubstr(one.said));
    EXPECT_THAT(error,
                testing::HasSubstr(std::string("checkpoint.accept_changed = "
                                               "[\"") +
                                   one.accept + "\"]"));
    other.checkpoint.accept_changed = {one.accept};
    EXPECT_EQ(error_of(other, Start::kResume), "");
    std::filesystem::remove_all(checkpoint("a", "13"));
  }
}

TEST_F(Run, GoesOnFromTheLastWholeCheckpointAndReplacesWhatIsDamaged) {
  train(config("whole"));
  train(config("cut"));
  damage(checkpoint("cut", "12"));
  train(config("cut"), Start::kResume);
  expect_same_end("whole", "cut");
  checkpoint::CheckpointReader(checkpoint("cut", "12")).verify();
}

TEST_F(Run, WhereAllCheckpointsAreDamagedItStopsOrBeginsAnewAsAsked) {
  train(config("whole"));
  train(config("a"));
  damage(checkpoint("a", "08"));
  damage(checkpoint("a", "12"));
  const std::string before = losses("a");
  EXPECT_THAT(error_of(config("a"), Start::kResume),
              testing::AllOf(testing::HasSubstr("holds no whole checkpoint"),
                             testing::HasSubstr("step_00000012"),
                             testing::HasSubstr("step_00000008"),
                             testing::HasSubstr("--restart")));
  EXPECT_THAT(error_of(config("a")), testing::HasSubstr("already holds"));
  EXPECT_EQ(losses("a"), before);
  train(config("a"), Start::kRestart);
  expect_same_end("whole", "a");
  const Path aside = folder / "a" / "checkpoints" / "before_restart_1";
  EXPECT_TRUE(std::filesystem::exists(aside / "step_00000012"));
  EXPECT_TRUE(std::filesystem::exists(aside / "metrics.jsonl"));
  EXPECT_TRUE(std::filesystem::exists(aside / "run.json"));
}

TEST_F(Run, BeginsWhereThereIsNothingToGoOnFrom) {
  train(config("new"));
  train(config("a"), Start::kResume);
  expect_same_end("new", "a");
}

TEST_F(Run, RefusesADirectoryThatIsNotForItsCheckpoints) {
  train(config("a"));
  Config other = config("b");
  other.checkpoint.directory = checkpoint("a", "12").string();
  for (const Start start : {Start::kNew, Start::kResume, Start::kRestart}) {
    EXPECT_THAT(error_of(other, start),
                testing::HasSubstr("is itself a checkpoint"));
  }
  // A checkpoint of another model is refused, even if it is not the newest.
  other = config("a");
  other.model.layers = 3;
  std::filesystem::remove(checkpoint("a", "12") / "manifest.json");
  for (const Start start : {Start::kResume, Start::kRestart}) {
    EXPECT_THAT(error_of(other, start),
                testing::HasSubstr("is of another model: model.layers is 2"));
  }
}

TEST_F(Run, FindsBeforeItsFirstStepThatItCouldNotSave) {
  write_file_atomically(folder / "file", "");
  Config other = config("a");
  other.checkpoint.directory = (folder / "file").string();
  EXPECT_THAT(error_of(other), testing::HasSubstr("can't create"));
  other.checkpoint.directory = (folder / "file" / "below").string();
  EXPECT_THAT(error_of(other), testing::HasSubstr("can't create"));
  EXPECT_FALSE(std::filesystem::exists(folder / "a" / "metrics.jsonl"));
  make_directories(folder / "b" / "memory.json");
  EXPECT_THAT(error_of(config("b")),
              testing::HasSubstr("memory.json is a directory"));
}

TEST_F(Run, HasItsDirectoriesToItself) {
  make_directories(folder / "a" / "checkpoints");
  {
    const DirectoryLock other(folder / "a");
    EXPECT_THAT(error_of(config("a")), testing::HasSubstr("is in use by"));
  }
  {
    const DirectoryLock other(folder / "a" / "checkpoints");
    EXPECT_THAT(error_of(config("a")), testing::HasSubstr("is in use by"));
  }
  EXPECT_EQ(error_of(config("a")), "");
}

// The error comes after some steps, which are not lost.
TEST_F(Run, SavesTheLastWholeStepWhenTheLossIsNoNumber) {
  for (const int ranks : {1, 3}) {
    SCOPED_TRACE(ranks);
    Config diverges = config(fmt::format("nan{}", ranks));
    diverges.train.global_batch = 6;
    diverges.train.micro_batch = 1;
    diverges.checkpoint.every = 0;
    diverges.optimizer.learning_rate = 1e30;
    EXPECT_THROW(train_on(ranks, diverges), Error);
    const auto latest = newest(diverges);
    ASSERT_TRUE(latest);
    // The step that failed has a line, and is none of those that are saved.
    const nlohmann::json last = metrics_of(diverges).back();
    EXPECT_EQ(last.at("step"),
              checkpoint::CheckpointReader(*latest).manifest().step + 1);
    EXPECT_THAT(last.at("skipped").get<std::string>(),
                testing::HasSubstr("the "));
  }
}

// The run dies by DeepSpeed's rule, and its last line says at which scale.
TEST_F(Run, TheStepThatEndsByTheLossScaleHasItsLine) {
  for (const int ranks : {1, 2}) {
    SCOPED_TRACE(ranks);
    Config dies = config(fmt::format("scale{}", ranks));
    dies.precision = {.compute = train::Compute::kFp16,
                      .scale_rule = kernels::LossScaleKind::kDeepSpeed,
                      .minimum_scale = 0x1p30};
    dies = train::resolve(dies);
    EXPECT_THROW(train_on(ranks, dies), Error);
    const std::vector<nlohmann::json> lines = metrics_of(dies);
    ASSERT_EQ(lines.size(), 4);
    EXPECT_EQ(lines[3].at("step"), 4);
    EXPECT_EQ(lines[3].at("loss_scale"), 0x1p30);
    EXPECT_GT(lines[3].at("loss"), 1);
    EXPECT_THAT(lines[3].at("skipped").get<std::string>(),
                testing::HasSubstr("the gradient of "));
    // It goes on from before that step, whose line gets lost.
    dies.precision.scale_rule = kernels::LossScaleKind::kMegatron;
    dies.precision.minimum_scale = 1;
    train_on(ranks, dies, Start::kResume);
    EXPECT_EQ(metrics_of(dies).size(), 12);
  }
}

// Masters have fp32's range and their fp16 copies have not: an update of AdamW
// moves a weight by as much as the learning rate.
TEST_F(Run, AWeightBeyondFp16EndsItAndIsNotSaved) {
  for (const std::int64_t zero : {0, 3}) {
    SCOPED_TRACE(zero);
    Config good = config(fmt::format("grows{}", zero));
    good.train.steps = 3;
    good.checkpoint.every = 1;
    good.parallel.zero = zero;
    good.precision = {.compute = train::Compute::kFp16, .loss_scale = 128};
    good = train::resolve(good);
    train_on(2, good);
    Config grows = good;
    grows.train.steps = 5;
    grows.optimizer.learning_rate = 1e5;
    grows.train.on_nonfinite = train::OnNonfinite::kSkip;
    try {
      train_on(2, grows, Start::kResume);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(),
                  testing::AllOf(
                      testing::HasSubstr("step 4: embedding.token.weight has "
                                         "grown beyond 65504"),
                      testing::HasSubstr("precision.compute = \"bf16\"")));
    }
    EXPECT_EQ(metrics_of(grows).back().at("step"), 4);
    const auto latest = newest(grows);
    ASSERT_TRUE(latest);
    EXPECT_EQ(checkpoint::CheckpointReader(*latest).manifest().step, 3);
    grows.precision = {.compute = train::Compute::kBf16};
    grows.optimizer.learning_rate = good.optimizer.learning_rate;
    train_on(2, train::resolve(grows), Start::kResume);
    EXPECT_EQ(metrics_of(grows).back().at("step"), 5);
  }
}

// Nothing overflows there, so the first scale stays.
TEST_F(Run, OnTheSimulatorShowsTheFirstLossScale) {
  for (const auto& [scale, shown] :
       {std::pair{train::kDynamicScale, 0x1p32}, {512.0, 512.0}}) {
    Config simulated = config(fmt::format("sim{}", shown));
    simulated.train.device = Device::kSim;
    simulated.precision = {.compute = train::Compute::kFp16,
                           .loss_scale = scale};
    train(train::resolve(simulated));
    for (const nlohmann::json& line : metrics_of(simulated)) {
      EXPECT_EQ(line.at("loss_scale"), shown);
    }
  }
}

TEST_F(Run, EvaluatesTheTestPartAtItsEnd) {
  Config tested = config("a");
  tested.data.split = "80,10,10";
  train(tested);
  const std::string metrics = losses("a");
  const std::string file = read_file(folder / "a" / "metrics.jsonl");
  EXPECT_EQ(file.find("test_loss"), file.rfind("test_loss"));
  EXPECT_GT(file.find("test_loss"), file.find("\"step\":12"));
}

TEST_F(Run, OnTheSimulatorSavesNoWeights) {
  Config simulated = config("sim");
  simulated.train.device = Device::kSim;
  train(simulated);
  EXPECT_FALSE(std::filesystem::exists(checkpoint("sim", "12")));
  EXPECT_TRUE(std::filesystem::exists(folder / "sim" / "memory.json"));
}

// There is one micro-batch a sample, and they are added up in the order of the
// samples.
Config layout_free(Config config) {
  config.train.global_batch = 8;
  config.train.micro_batch = 1;
  config.parallel.sums = comm::SumOrder::kRanked;
  config.parallel.bucket_mb = 0.02;
  return config;
}

TEST_F(Run, OfAnyLayoutWritesTheSameFiles) {
  train(layout_free(config("one")));
  for (const int zero : {0, 1, 2, 3}) {
    SCOPED_TRACE(zero);
    const std::string name = "four" + std::to_string(zero);
    Config four = layout_free(config(name));
    four.parallel.zero = zero;
    four.train.check_replicas_every = 5;
    train_on(4, four);
    expect_same_end("one", name);
  }
}

TEST_F(Run, GoesOnWithOtherRanksAndAnotherStage) {
  train(layout_free(config("straight")));
  struct Leg {
    int ranks;
    std::int64_t zero;
  };
  std::int64_t steps = 0;
  for (const Leg leg : {Leg{4, 3}, Leg{2, 1}, Leg{1, 0}, Leg{8, 2}}) {
    Config next = layout_free(config("relay"));
    next.parallel.zero = leg.zero;
    steps += 3;
    next.train.steps = steps;
    next.train.evaluate_every = 0;
    train_on(leg.ranks, next, steps > 3 ? Start::kResume : Start::kNew);
  }
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    EXPECT_EQ(read_file(checkpoint("straight", "12") / file),
              read_file(checkpoint("relay", "12") / file))
        << file;
  }
}

TEST_F(Run, ReportsEveryRank) {
  Config traced = layout_free(config("traced"));
  traced.log.trace = true;
  traced.parallel.zero = 2;
  train_on(2, traced);
  const auto memory =
      nlohmann::json::parse(read_file(folder / "traced" / "memory.json"));
  ASSERT_EQ(memory.size(), 2U);
  EXPECT_EQ(memory[1].at("rank"), 1);
  const auto trace =
      nlohmann::json::parse(read_file(folder / "traced" / "trace.json"));
  // Perfetto needs rows that have names, and events one after another.
  using Row = std::pair<int, int>;  // of a rank
  std::map<Row, std::string> names;
  std::map<Row, std::vector<std::pair<double, double>>> rows;
  for (const auto& event : trace.at("traceEvents")) {
    const Row row = {event.at("pid"), event.at("tid")};
    if (event.at("name") == "thread_name") {
      names[row] = event.at("args").at("name");
    } else if (event.at("ph") == "X") {
      const double start = event.at("ts");
      const double length = event.at("dur");
      EXPECT_GE(length, 0);
      rows[row].emplace_back(start, start + length);
    }
  }
  std::set<std::pair<int, std::string>> kinds;
  for (auto& [row, events] : rows) {
    kinds.emplace(row.first, names.at(row));
    std::sort(events.begin(), events.end());
    for (std::size_t i = 1; i < events.size(); ++i) {
      // Times are in microseconds with three decimals.
      EXPECT_GT(events[i].first, events[i - 1].second - 5e-4);
    }
  }
  std::set<std::pair<int, std::string>> wanted;
  for (const int rank : {0, 1}) {
    for (const char* row : {"communication", "compute", "pipeline", "step"}) {
      wanted.emplace(rank, row);
    }
  }
  EXPECT_EQ(kinds, wanted);
}

}  // namespace
}  // namespace dure
