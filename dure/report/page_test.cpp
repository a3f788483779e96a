#include "dure/report/page.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <string>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/trace.h"
#include "dure/report/report_json.h"
#include "dure/report/run_folder.h"
#include "dure/report/well_formed.h"

namespace dure::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

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
  for (int rank = 0; rank < options.ranks; ++rank) {
    Trace trace;
    trace.record({.name = "matmul", .start_seconds = 1, .seconds = 0.5});
    trace.record({.name = "step 5",
                  .start_seconds = 1,
                  .seconds = 1,
                  .row = TraceRow::kStep});
    for (const auto& span : replay.spans[rank]) {
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

TEST(Page, ShowsWhenWhereAndOnWhatARunWas) {
  const RunFolder run;
  run.put("config.toml", config_text());
  run.put("metrics.jsonl", metrics_text(50));
  EXPECT_THAT(to_html(read_report(run.path())),
              Not(HasSubstr("Time and place")));
  run.put("run.json", starts_text());
  const Report report = read_report(run.path());
  const std::string html = to_html(report);
  EXPECT_EQ(WellFormed(html).error(), "");
  for (const char* text :
       {"<td>2026-01-02 03:04:05 UTC</td><td>2026-01-02 03:07:25 UTC</td>"
        "<td class=\"n\">3 min 20 s</td><td class=\"n\">1</td>"
        "<td class=\"n\">20</td><td>4 ranks (mpi)</td>"
        "<td>dure &lt;1&gt; (abc)</td>",
        "<td>it goes on, or was broken off</td>",
        "<dd>3 min 20 s, and 1 without an end</dd>",
        "<td>host&lt;1&gt;</td><td>Fast &amp; 9</td><td class=\"n\">4</td>"
        "<td class=\"n\">8</td><td class=\"n\">32.0 GiB</td><td>0-2</td>",
        "<td>host&lt;2&gt;</td><td>not known</td>",
        "<td>train</td><td>data/&lt;text&gt;</td><td class=\"n\">50</td>"
        "<td class=\"n\">12,345</td>",
        "Samples of 16 tokens, by the tokenizer tok/&lt;x&gt;, 1,200 for "
        "training; the run reads its training data in 2 epochs at most. "
        "Tokens read so far: 5,000."}) {
    EXPECT_THAT(html, HasSubstr(text));
  }
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json["starts"][0]["hosts"][0]["ranks"],
            nlohmann::json::array({0, 1, 2}));
  EXPECT_EQ(json["starts"][0]["seconds"], 200);
}

TEST(Page, OpensWithWhatWasChosen) {
  const RunFolder run;
  run.put("config.toml", config_text());
  run.put("metrics.jsonl", metrics_text(50));
  const Report report = read_report(run.path());
  const std::string html = to_html(report, {.scale = Shown::kLog, .smooth = 7});
  EXPECT_EQ(WellFormed(html).error(), "");
  EXPECT_THAT(html, HasSubstr("class=\"as-log\" checked"));
  EXPECT_THAT(html, HasSubstr("class=\"as-k1\" checked"));
  EXPECT_THAT(html, HasSubstr(">7 steps</label>"));
}

// Only the style sheet sets sizes of text and widths.
TEST(Page, HasNoTextThatItsDrawingsScale) {
  const RunFolder run;
  run.put("config.toml", config_text());
  run.put("metrics.jsonl", metrics_text(50));
  run.put("memory.json", memory_text(4));
  const std::string html = to_html(read_report(run.path()));
  EXPECT_THAT(html, Not(HasSubstr("<text")));
  EXPECT_THAT(html, Not(HasSubstr("<svg width")));
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
                      .ranks = 2,
                      .micro_batches = 4}));
  const Report report = read_report(run.path());
  const std::string html = to_html(report);
  EXPECT_EQ(WellFormed(html).error(), "");
  // The idle share is (p - 1) / (m + p - 1): 3 of 15 slots.
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

// A run with a loss scale, which counted its gradients at steps 2 and 4.
std::string scaled_metrics_text() {
  std::string text;
  for (int step = 1; step <= 5; ++step) {
    train::Metrics metrics = {
        .step = step, .loss = 5, .tokens = step, .tokens_per_second = 1};
    metrics.loss_scale = step < 4 ? 0x1p20 : 0x1p19;
    if (step == 3) {
      metrics.skipped = "the gradient of x";
    }
    if (step % 2 == 0) {
      metrics.gradient_exponents = {
          .zeros = 100,
          .unscaled = {.first = -26, .counts = {1, 0, 1, 0, 0, step}},
          .scaled = train::ExponentHistogram{.first = -15,
                                             .counts = {1, 0, 1, 0, 0, step}}};
    }
    text += train::to_json(metrics) + "\n";
  }
  return text;
}

TEST(Page, ShowsTheLossScaleAndTheGradientsByExponent) {
  const RunFolder run;
  run.put("config.toml", config_text());
  run.put("metrics.jsonl", metrics_text(5));
  const std::string without = to_html(read_report(run.path()));
  EXPECT_THAT(without, Not(HasSubstr("Loss scale")));
  EXPECT_THAT(without, Not(HasSubstr("by exponent")));
  run.put("metrics.jsonl", scaled_metrics_text());
  const Report report = read_report(run.path());
  const std::string html = to_html(report);
  EXPECT_EQ(WellFormed(html).error(), "");
  for (const char* text :
       {"<figcaption>Loss scale",
        ">2^20</span>",
        "<i class=\"s1\"></i>update left out</li>",
        "step 3\nloss scale: 1.04858e+06\nupdate left out: 1.04858e+06",
        "<figcaption>Gradients by exponent <small>step 4: 106 elements, of "
        "which 94.3 % are 0; of the others, by exponent",
        "exponent -21\nbefore the scale: 66.7 %\nafter the scale: 0.0 %",
        ">2^-14</span>",
        "<td class=\"n\">-26</td><td class=\"n\">1</td><td class=\"n\"></td>",
        "step 2\nbelow 2^-24, before the scale: 25\nbelow 2^-24, after the "
        "scale: 0\nbelow 2^-14, before the scale: 100\nbelow 2^-14, after the "
        "scale: 25"}) {
    EXPECT_THAT(html, HasSubstr(text));
  }
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json["skipped"], 1);
  ASSERT_EQ(json["gradient_exponents"].size(), 2);
  EXPECT_EQ(json["gradient_exponents"][1]["step"], 4);
  EXPECT_EQ(json["gradient_exponents"][1]["zeros"], 100);
  EXPECT_EQ(json["gradient_exponents"][0]["unscaled"]["below_least"], 0.25);
  EXPECT_EQ(json["gradient_exponents"][0]["scaled"]["below_normal"], 0.25);
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
