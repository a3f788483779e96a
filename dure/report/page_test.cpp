#include "dure/report/page.h"

#include <algorithm>
#include <filesystem>
#include <gmock/gmock.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/trace.h"
#include "dure/report/well_formed.h"
#include "dure/train/load_config.h"
#include "dure/train/memory_report.h"

namespace dure::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A run's directory, for as long as it lives.
class RunFolder {
 public:
  RunFolder()
      : path_(std::filesystem::temp_directory_path() /
              ("dure_report_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    make_directories(path_);
  }
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  ~RunFolder() { std::filesystem::remove_all(path_); }

  const Path& path() const { return path_; }
  void put(const char* name, const std::string& text) const {
    write_file_atomically(path_ / name, text);
  }

 private:
  Path path_;
};

std::string config_text() {
  train::LoadedConfig loaded = train::parse_config(
      "[model]\nlayers = 2\nhidden = 32\nheads = 2\n"
      "vocabulary = 1000\n[train]\nsteps = 50\n"
      "global_batch = 4\n"
      "[parallel]\ntensor = 2\nzero = 1\n",
      "test",
      {});
  train::take_ranks(loaded, 4);
  return "# Written by dure <1> (abc)\n" + train::to_toml(loaded);
}

std::string metrics_text(int steps) {
  std::string text;
  for (int step = 1; step <= steps; ++step) {
    train::Metrics metrics = {.step = step,
                              .loss = 8.0 / step,
                              .learning_rate = 1e-3,
                              .grad_norm = 1.0 / step,
                              .tokens = 100 * step,
                              .tokens_per_second = 50,
                              .model_flops_utilization = 0.5};
    if (step % 10 == 0) {
      metrics.validation_loss = 8.5 / step;
    }
    if (step == 3) {
      metrics.skipped = "the \"<gradient>\"";
      metrics.grad_norm = std::numeric_limits<double>::infinity();
    }
    metrics.communicated = {{"data", {{"all_reduce", 1024}}},
                            {"tensor", {{"all_gather", 2048}}}};
    text += train::to_json(metrics) + "\n";
  }
  return text;
}

std::string memory_text(int ranks) {
  Ledger ledger;
  ledger.add(Category::kParameters, 3 << 20);
  ledger.add(Category::kActivations, 1 << 20);
  std::vector<std::string> texts;
  for (int rank = 0; rank < ranks; ++rank) {
    texts.push_back(train::memory_json(rank, ledger));
  }
  return train::memory_json(texts);
}

TEST(Page, ShowsAWholeRun) {
  const RunFolder run;
  run.put("config.toml", config_text());
  run.put("metrics.jsonl", metrics_text(50));
  run.put("memory.json", memory_text(4));
  const Report report = read_report(run.path());
  EXPECT_EQ(report.written_by, "dure <1> (abc)");
  EXPECT_DOUBLE_EQ(training_seconds(report.metrics), 100);
  const std::string html = to_html(report);
  EXPECT_EQ(WellFormed(html).error(), "");
  for (const char* text :
       {"4 ranks = data 2 x tensor 2, ZeRO 1",
        "<dd>50 of 50</dd>",
        "<dd>0.17 at step 50</dd>",
        "<dd>1 min 40 s</dd>",
        "dure &lt;1&gt; (abc)",
        "the &quot;&lt;gradient&gt;&quot;",
        "<h2>Memory</h2>",
        "rank 3: parameters 3.00 MiB",
        "<td>tensor</td><td>all_gather</td><td class=\"n\">2.00 KiB</td>"}) {
    EXPECT_THAT(html, HasSubstr(text));
  }
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("http")));
}

TEST(Page, ShowsWhatThereIsOfARunThatGoesOn) {
  const RunFolder run;
  run.put("config.toml", config_text());
  const std::string begun = to_html(read_report(run.path()));
  EXPECT_EQ(WellFormed(begun).error(), "");
  EXPECT_THAT(begun, HasSubstr("There is no metrics.jsonl yet"));
  run.put("metrics.jsonl", metrics_text(5));
  const std::string going = to_html(read_report(run.path()));
  EXPECT_EQ(WellFormed(going).error(), "");
  EXPECT_THAT(going, HasSubstr("<dd>5 of 50</dd>"));
  EXPECT_THAT(going, HasSubstr("There is no memory.json yet"));
}

// A step of the schedule in slots of a millisecond, as ranks 0 and 1 traced it.
std::string trace_text(const parallel::ScheduleOptions& options) {
  const parallel::Replay replay = parallel::replay(options);
  std::vector<std::string> ranks;
  for (int rank = 0; rank < options.stages; ++rank) {
    Trace trace;
    trace.record({.name = "matmul", .start_seconds = 1, .seconds = 0.5});
    trace.record({.name = "step 5",
                  .start_seconds = 1,
                  .seconds = 1,
                  .row = TraceRow::kStep});
    for (const auto& span : replay.spans[static_cast<std::size_t>(rank)]) {
      trace.record(
          {.name = trace.keep(parallel::text_of(span.action, options.chunks)),
           .start_seconds = 1 + 1e-3 * span.start,
           .seconds = 1e-3 * (span.end - span.start),
           .row = TraceRow::kPipeline});
    }
    ranks.push_back(trace.to_json(rank));
  }
  std::string text = "{\"traceEvents\":[\n";
  for (const std::string& rank : ranks) {
    text += (&rank == ranks.data() ? "" : ",\n") + rank;
  }
  return text + "\n]}\n";
}

TEST(Page, ShowsThePipelineAsMeasuredAndPlanned) {
  const RunFolder run;
  train::LoadedConfig loaded = train::parse_config(
      "[model]\nlayers = 4\nhidden = 32\nheads = 2\nvocabulary = 1000\n"
      "tie_embeddings = false\n"
      "[train]\nsteps = 5\nglobal_batch = 4\nmicro_batch = 1\n"
      "[parallel]\npipeline = 2\n[log]\ntrace = true\n",
      "test",
      {});
  train::take_ranks(loaded, 2);
  run.put("config.toml", train::to_toml(loaded));
  run.put("metrics.jsonl", metrics_text(5));
  run.put("trace.json",
          trace_text({.kind = parallel::ScheduleKind::k1F1B,
                      .stages = 2,
                      .micro_batches = 4}));
  const Report report = read_report(run.path());
  const std::string html = to_html(report);
  EXPECT_EQ(WellFormed(html).error(), "");
  // (p - 1) / (m + p - 1) is idle: 3 of 15 slots.
  for (const char* text :
       {"Step 5: 1f1b, 2 ranks, 4 micro-batches",
        "<td>measured</td><td class=\"n\">15 ms</td><td class=\"n\">20.0 %",
        "B3: 13 to 15 ms",
        "<td>matmul</td><td class=\"n\">2</td><td class=\"n\">1 s</td>"}) {
    EXPECT_THAT(html, HasSubstr(text));
  }
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json["pipeline"]["schedule"], "1f1b");
  EXPECT_NEAR(json["pipeline"]["measured"]["bubble_share"], 0.2, 1e-6);
  EXPECT_FALSE(read_report(run.path(), 4).pipeline);
}

TEST(Page, IsSmallHoweverLongTheRun) {
  const RunFolder run;
  run.put("config.toml", config_text());
  run.put("metrics.jsonl", metrics_text(20000));
  run.put("memory.json", memory_text(100));
  const std::string html = to_html(read_report(run.path()));
  EXPECT_LT(html.size(), 1 << 20);
  EXPECT_THAT(html, HasSubstr("of the 32 ranks that took most"));
}

TEST(Json, HasTheFacts) {
  const RunFolder run;
  run.put("config.toml", config_text());
  run.put("metrics.jsonl", metrics_text(20));
  const auto json = nlohmann::json::parse(to_json(read_report(run.path())));
  EXPECT_EQ(json["last"]["step"], 20);
  EXPECT_EQ(json["validation"][1]["loss"], 8.5 / 20);
  EXPECT_EQ(json["mesh"]["tensor"], 2);
  EXPECT_EQ(json["communicated"]["data"]["all_reduce"], 20 * 1024);
  EXPECT_EQ(json["memory"], nlohmann::json::array());
}

TEST(ReadReport, SaysWhatIsNotARun) {
  const RunFolder run;
  try {
    read_report(run.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("has no config.toml"));
  }
}

}  // namespace
}  // namespace dure::report
