#include "dure/report/comparison.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "dure/report/report_json.h"
#include "dure/report/run_folder.h"
#include "dure/report/well_formed.h"

namespace dure::report {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct TwoRuns : testing::Test {
  RunFolder a{"a<1>"};
  RunFolder b{"b"};

  void SetUp() override {
    a.put("config.toml", config_text());
    a.put("metrics.jsonl", metrics_text(50));
    a.put("memory.json", memory_text(4));
    b.put("config.toml",
          config_text({"optimizer.learning_rate=0.5", "train.seed=2"}));
    b.put("metrics.jsonl", metrics_text(30));
    b.put("run.json", starts_text());
  }

  std::vector<Report> reports() const {
    return {read_report(a.path()), read_report(b.path())};
  }
};

TEST_F(TwoRuns, DifferInTheKeysThatAreNotTheSame) {
  const auto found = differences(reports());
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].key, "train.seed");
  EXPECT_THAT(found[0].values, ElementsAre("1234", "2"));
  EXPECT_EQ(found[1].key, "optimizer.learning_rate");
  EXPECT_EQ(found[1].values[1], "0.5");
  const Report one = read_report(a.path());
  EXPECT_TRUE(differences({one, one}).empty());
}

TEST_F(TwoRuns, StandBesideOneAnother) {
  const std::string html = to_html(reports());
  EXPECT_EQ(WellFormed(html).error(), "");
  const std::string name = fmt::format("dure_report_{}_a&lt;1&gt;", ::getpid());
  EXPECT_THAT(html, HasSubstr(name));
  for (const char* text :
       {"Loss by step",
        "Loss by tokens",
        "Loss by time",
        "<td>steps</td><td>50 of 50</td><td>30 of 50</td>",
        "<td>tokens</td><td>5,000</td><td>3,000</td>",
        // The loss is 8 / step; validation every tenth step is 8.5 / step.
        "<td>training loss at step 30, the last that all have</td>"
        "<td>0.2667</td><td>0.2667</td>",
        "<td>last training loss</td><td>0.1600</td><td>0.2667</td>",
        "<td>least validation loss</td><td>0.1700 at step 50</td>"
        "<td>0.2833 at step 30</td>",
        "<td>time in steps</td><td>1 min 40 s</td><td>60 s</td>",
        "<td>wall time</td><td>not known</td>"
        "<td>3 min 20 s, and 1 without an end</td>",
        "<td>train.seed</td><td>1234</td><td>2</td>",
        "There is no memory.json yet"}) {
    EXPECT_THAT(html, HasSubstr(text));
  }
  EXPECT_THAT(html, Not(HasSubstr("<td>train.steps</td>")));
}

// The steps took 100 s and 60 s, so the unit is seconds. The tokens end at 5000
// and 3000 of 5000.
TEST_F(TwoRuns, HaveOneAxis) {
  const std::string html = to_html(reports());
  const std::size_t tokens = html.find("Loss by tokens");
  const std::size_t time = html.find("Loss by time");
  const std::string by_tokens = html.substr(tokens, time - tokens);
  // The axis goes from 100 to 5000.
  EXPECT_THAT(by_tokens, HasSubstr("L1000.0 "));
  EXPECT_THAT(by_tokens, HasSubstr("L591.8 "));
  EXPECT_THAT(html.substr(time),
              HasSubstr("<div class=\"name\">seconds</div>"));
}

TEST_F(TwoRuns, AreAnObjectOfBothAndTheirDifferences) {
  const auto json = nlohmann::json::parse(to_json(reports()));
  EXPECT_EQ(json["runs"][0]["last"]["step"], 50);
  EXPECT_EQ(json["runs"][1]["last"]["step"], 30);
  EXPECT_EQ(json["different"]["train.seed"],
            nlohmann::json::array({"1234", "2"}));
}

}  // namespace
}  // namespace dure::report
